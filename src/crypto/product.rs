//! Exact products of ring elements: negacyclic convolution modulo 2^64 by number-theoretic
//! transforms modulo five 32-bit primes. No rounding, so no noise.

use tfhe_ntt::native64::Plan32;
use zeroize::Zeroize;

/// Multiplies polynomials of one size modulo X^N + 1 and 2^64.
pub struct Products {
    plan: Plan32,
}

/// A polynomial in the transformed domain, ready for products.
#[derive(Clone)]
pub struct Polynomial {
    residues: [Vec<u32>; 5],
}

impl Zeroize for Polynomial {
    fn zeroize(&mut self) {
        self.residues.iter_mut().for_each(Zeroize::zeroize);
    }
}

impl Products {
    /// Products of polynomials with `polynomial_size` coefficients, or `None` if the size has no
    /// transform (it must be a power of two).
    pub fn new(polynomial_size: usize) -> Option<Self> {
        Plan32::try_new(polynomial_size).map(|plan| Self { plan })
    }

    /// The number of coefficients.
    pub fn polynomial_size(&self) -> usize {
        self.plan.ntt_size()
    }

    /// Transforms a polynomial of up to N coefficients (the rest are zero).
    pub fn transform(&self, coefficients: &[u64]) -> Polynomial {
        let size = self.polynomial_size();
        let mut padded = coefficients.to_vec();
        padded.resize(size, 0);
        let mut residues: [Vec<u32>; 5] = std::array::from_fn(|_| vec![0; size]);
        let [r0, r1, r2, r3, r4] = &mut residues;
        self.plan.fwd(&padded, r0, r1, r2, r3, r4);
        Polynomial { residues }
    }

    /// The product `a · b`, in coefficients.
    pub fn multiply(&self, a: &Polynomial, b: &Polynomial) -> Vec<u64> {
        let mut product = a.residues.clone();
        let [p0, p1, p2, p3, p4] = &mut product;
        let [b0, b1, b2, b3, b4] = &b.residues;
        self.plan.ntt_0().mul_assign_normalize(p0, b0);
        self.plan.ntt_1().mul_assign_normalize(p1, b1);
        self.plan.ntt_2().mul_assign_normalize(p2, b2);
        self.plan.ntt_3().mul_assign_normalize(p3, b3);
        self.plan.ntt_4().mul_assign_normalize(p4, b4);
        let mut coefficients = vec![0; self.polynomial_size()];
        self.plan.inv(&mut coefficients, p0, p1, p2, p3, p4);
        coefficients
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn schoolbook(a: &[u64], b: &[u64]) -> Vec<u64> {
        let size = a.len();
        let mut product = vec![0_u64; size];
        for (i, x) in a.iter().enumerate() {
            for (j, y) in b.iter().enumerate() {
                let term = x.wrapping_mul(*y);
                let place = &mut product[(i + j) % size];
                *place = if i + j < size { place.wrapping_add(term) } else { place.wrapping_sub(term) };
            }
        }
        product
    }

    proptest! {
        #[test]
        fn products_are_exact(a in prop::collection::vec(any::<u64>(), 32), b in prop::collection::vec(any::<u64>(), 32)) {
            let products = Products::new(32).unwrap();
            let result = products.multiply(&products.transform(&a), &products.transform(&b));
            prop_assert_eq!(result, schoolbook(&a, &b));
        }
    }
}
