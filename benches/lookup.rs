//! Time of lookups and of their key switches in batches of 16, on one thread; of keys, on all.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use fhe_ml::crypto::{
    Gadget, LookupLiteral, LookupParameters, LookupSecretKey, LookupTable, LookupWorkspace, LweCiphertext,
    SeededLookupKey, Unrolling,
};

const BATCH: usize = 16;

fn set(ring: (usize, usize), n: usize, bootstrap: (u32, u32), key_switch: (u32, u32)) -> LookupParameters {
    let gadget = |(log2_base, levels)| Gadget::new(log2_base, levels).expect("it fits in 63 bits");
    LookupParameters::new(LookupLiteral {
        glwe_dimension: ring.0,
        polynomial_size: ring.1,
        lwe_dimension: n,
        unrolling: Unrolling::Pairs,
        bootstrap: gadget(bootstrap),
        key_switch: gadget(key_switch),
    })
    .expect("the set is on the curve")
}

fn lookups(criterion: &mut Criterion) {
    let sets = [
        ("3 bits", set((3, 512), 744, (17, 1), (4, 3))),
        ("4 bits", set((2, 1024), 820, (23, 1), (4, 3))),
        ("5 bits", set((1, 2048), 812, (23, 1), (3, 5))),
    ];
    for (name, parameters) in sets {
        let mut group = criterion.benchmark_group(name);
        group.sample_size(10);
        let secret = LookupSecretKey::generate(parameters);
        group.bench_function("key generation", |bencher| {
            bencher.iter(|| SeededLookupKey::generate(&secret));
        });
        let seeded = SeededLookupKey::generate(&secret);
        group.bench_function("key expansion", |bencher| bencher.iter(|| seeded.expand()));
        let key = seeded.expand();
        let packed = secret.encrypt(&[1 << 62; BATCH], 64);
        let inputs = LweCiphertext::expand(&parameters, &packed, 64).expect("a polynomial has room for them");
        let table = LookupTable::odd(&parameters, &[1 << 61]).expect("one is a power of two");
        let workspace = &mut LookupWorkspace::new(&parameters);
        group.bench_function("16 key switches", |bencher| {
            bencher.iter(|| key.key_switch(black_box(&inputs), workspace));
        });
        group.bench_function("16 lookups", |bencher| {
            bencher.iter(|| key.apply(black_box(&inputs), &[&table; BATCH], workspace));
        });
    }
}

criterion_group!(benches, lookups);
criterion_main!(benches);
