//! Time of the ring words that decision diagrams are made of, on one thread; expansion on all.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use fhe_ml::crypto::{
    Expander, ExpansionKey, ExpansionParameters, Gadget, Ggsw, RingCiphertext, RingParameters, RingWorkspace,
    SecretKey,
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
        let bit = secret.encrypt_ggsw(true, gadget((13, 2))).expand(&ring, gadget((13, 2)), workspace);
        let bit = bit.expect("it was made for this gadget");
        let (mut sum, factor) = (fresh(&secret), fresh(&secret));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| bit.add_product(black_box(&mut sum), black_box(&factor), workspace));
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

/// One step into one item is one automorphism and an addition; allocation of scratch is included.
fn automorphisms(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("automorphism 2^10 x 5");
    for size in SIZES {
        let parameters = parameters(size, &[(10, 5)]);
        let (secret, expander) = expander(&parameters);
        let packed = fresh(&secret);
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| expander.expand(black_box(packed.clone()), 1));
        });
    }
}

fn expansion(criterion: &mut Criterion) {
    let steps = [(2, 29), (3, 19), (4, 14), (5, 11), (6, 9), (7, 8), (8, 7), (9, 6), (11, 5)];
    let parameters = parameters(4096, &steps);
    let mut group = criterion.benchmark_group("expansion at 4096");
    group.sample_size(20);
    let secret = SecretKey::generate(*parameters.ring());
    group.bench_function("key generation", |bencher| {
        bencher.iter(|| ExpansionKey::generate(&secret, &parameters));
    });
    let key = ExpansionKey::generate(&secret, &parameters).expect("the parameters are the same");
    group.bench_function("key expansion", |bencher| bencher.iter(|| key.expand()));
    let expander = key.expand();
    let packed = fresh(&secret);
    group.bench_function("360 items", |bencher| {
        bencher.iter(|| expander.expand(packed.clone(), 360));
    });
    let mut bits: Vec<Ggsw> = (0..180).map(|_| Ggsw::zero(parameters.ring(), gadget((13, 2)))).collect();
    group.bench_function("180 bits of 2 levels", |bencher| {
        bencher.iter(|| expander.expand_bits_into(packed.clone(), &mut bits));
    });
}

criterion_group!(benches, products, scheme_switches, automorphisms, expansion);
criterion_main!(benches);
