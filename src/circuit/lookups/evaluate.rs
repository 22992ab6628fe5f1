//! What layers give in the clear: with the noise of a run, or without.

use super::{Layers, Sum};

impl Layers {
    /// The torus values of the outputs for those of the inputs. `disturb` is asked for what noise does to a value
    /// that is looked up or comes out: the sum, and the value without noise.
    pub fn evaluate(&self, inputs: &[u64], mut disturb: impl FnMut(&Sum, u64) -> u64) -> Vec<u64> {
        let mut wires = inputs.to_vec();
        for layer in &self.parts.layers {
            let mut results = Vec::with_capacity(layer.lookups.len());
            for lookup in &layer.lookups {
                // Tables of checked layers exist.
                let table = &self.parts.tables[lookup.table as usize];
                let value = disturb(&lookup.sum, lookup.sum.value(&wires));
                results.extend(lookup.offsets.iter().map(|offset| table.value(value.wrapping_add(*offset))));
            }
            wires.append(&mut results);
        }
        self.parts.outputs.iter().map(|sum| disturb(sum, sum.value(&wires))).collect()
    }
}

impl Sum {
    /// The sum for these wires.
    pub fn value(&self, wires: &[u64]) -> u64 {
        self.weights.iter().fold(self.constant, |sum, (wire, weight)| {
            // Wires of checked layers exist.
            sum.wrapping_add(wires[*wire as usize].wrapping_mul(i64::from(*weight) as u64))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::example;
    use super::*;

    #[test]
    fn sums_and_lookups_follow_each_other() {
        let layers = Layers::new(example()).unwrap();
        let torus = |x: i64| (x as u64) << 56;
        for (inputs, expected) in [([3, 4], 3 + 8 + 1), ([3, -4], 3 - 8 + 1)] {
            let found = layers.evaluate(&inputs.map(torus), |_, value| value);
            assert_eq!(found, [torus(expected)]);
        }
    }

    #[test]
    fn one_lookup_has_a_result_for_each_offset() {
        let mut parts = example();
        // The signs of the sum plus 0, 2/16 and 4/16.
        parts.layers[0].lookups[0].offsets = vec![0, 1 << 61, 1 << 62];
        let result = |wire| crate::circuit::Sum { weights: vec![(wire, 1)], constant: 0 };
        parts.outputs = (2..5).map(result).collect();
        let layers = Layers::new(parts).unwrap();
        let (plus, minus) = (1_u64 << 58, (1_u64 << 58).wrapping_neg());
        for (sum, expected) in [(-3_i64, [minus, minus, plus]), (-1, [minus, plus, plus]), (1, [plus; 3])] {
            let found = layers.evaluate(&[(sum as u64) << 60, 0], |_, value| value);
            assert_eq!(found, expected, "{sum}");
        }
    }
}
