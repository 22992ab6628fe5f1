//! Time of the ring words that decision diagrams are made of, on one thread; expansion on all.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use fhe_ml::crypto::{
    Expander, ExpansionKey, ExpansionParameters, Gadget, Ggsw, ProductSum, RingCiphertext, RingParameters,
    RingWorkspace, SecretKey,
};

const SIZES: [usize; 2] = [2048, 4096];

fn gadget((log2_base, levels): (u32, u32)) -> Gadget {
    Gadget::new(log2_base, levels).expect("it fits in 63 bits")
}

fn parameters(size: usize, steps: &[(u32, u32)]) -> ExpansionParameters {
    let ring = RingParameters::secure(size).expect("the size is on the curve");
    let steps = steps.iter().copied().map(gadget).collect();
    ExpansionParameters::new(ring, steps, gadget((14, 4))).expect("the ring has room")
}

fn expander(parameters: &ExpansionParameters) -> (SecretKey, Expander) {
    let secret = SecretKey::generate(*parameters.ring());
    let key = ExpansionKey::generate(&secret, parameters).expect("the parameters are the same");
    (secret, key.expand())
}

fn fresh(secret: &SecretKey) -> RingCiphertext {
    let zeros = vec![0; secret.parameters().polynomial_size()];
    RingCiphertext::from_seeded(&secret.parameters(), &secret.encrypt(&zeros, 64), 64)
}

fn products(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("external product 2^13 x 2");
    for size in SIZES {
        let ring = RingParameters::secure(size).expect("the size is on the curve");
        let secret = SecretKey::generate(ring);
        let workspace = &mut RingWorkspace::new(&ring);
        let mut bit = Ggsw::zero(&ring, gadget((13, 2)));
        let encrypted = secret.encrypt_ggsw(true, gadget((13, 2)), 64);
        bit.set_from_seeded(&encrypted, 64, 0, workspace).expect("it was made for this gadget");
        let (mut sum, factor) = (fresh(&secret), fresh(&secret));
        let mut products = ProductSum::empty(size);
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                bit.add_product(&mut products, black_box(&factor), workspace);
                products.settle(black_box(&mut sum), workspace);
            });
        });
    }
}

fn scheme_switches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scheme switch 2^14 x 4, one level");
    for size in SIZES {
        let parameters = parameters(size, &[(10, 5)]);
        let (secret, expander) = expander(&parameters);
        let workspace = &mut RingWorkspace::new(parameters.ring());
        let row = [fresh(&secret)];
        let mut bit = Ggsw::zero(parameters.ring(), gadget((20, 1)));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| expander.switch_scheme(black_box(&row), &mut bit, workspace));
        });
    }
}

/// One step into one item is one automorphism and an addition.
fn automorphisms(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("automorphism 2^10 x 5");
    for size in SIZES {
        let parameters = parameters(size, &[(10, 5)]);
        let (secret, expander) = expander(&parameters);
        let packed = fresh(&secret);
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| expander.expand(black_box(packed.clone()), 0..1, &[0]));
        });
    }
}

fn multiples(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("multiple of a monomial");
    for size in SIZES {
        let ring = RingParameters::secure(size).expect("the size is on the curve");
        let secret = SecretKey::generate(ring);
        let (mut sum, other) = (fresh(&secret), fresh(&secret));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| sum.add_multiple(black_box(&other), 1000, 77));
        });
    }
}

fn expansion(criterion: &mut Criterion) {
    let ring = RingParameters::secure(4096).expect("the size is on the curve");
    let mut group = criterion.benchmark_group("expansion at 4096");
    group.sample_size(20);
    let secret = SecretKey::generate(ring);
    for log2_noise in [18.5, 19.0, 20.0] {
        let parameters =
            ExpansionParameters::balanced(ring, 12, log2_noise).expect("gadgets are fine enough");
        group.bench_function(format!("key generation 2^{log2_noise}"), |bencher| {
            bencher.iter(|| ExpansionKey::generate(&secret, &parameters));
        });
        let key = ExpansionKey::generate(&secret, &parameters).expect("the parameters are the same");
        group
            .bench_function(format!("key expansion 2^{log2_noise}"), |bencher| bencher.iter(|| key.expand()));
        let expander = key.expand();
        let packed = fresh(&secret);
        for count in [1, 360] {
            let items: Vec<usize> = (0..count).collect();
            group.bench_function(format!("{count} items 2^{log2_noise}"), |bencher| {
                bencher.iter(|| expander.expand(packed.clone(), 0..12, &items));
            });
        }
    }
}

criterion_group!(benches, products, scheme_switches, automorphisms, multiples, expansion);
criterion_main!(benches);
