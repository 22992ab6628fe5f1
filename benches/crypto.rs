//! Times of the crypto words, and of one block of rows on its way through client and server.
//!
//! `cargo bench --bench crypto [-- FILTER]`

use std::hint::black_box;

use anyhow::{Context, Result};
use criterion::{BenchmarkId, Criterion, Throughput};
use fhe_ml::circuit::{Circuit, Encoding, Messages, PackedProduct, PackedRows, ProductCircuit};
use fhe_ml::client::{Decryptor, Encryptor};
use fhe_ml::crypto::{Products, RingParameters, Secret, SecretKey, expand_mask, pack, unpack};
use fhe_ml::server::{EvaluationKey, Evaluator};

const POLYNOMIAL_SIZES: [usize; 2] = [2048, 4096];
const FEATURES: usize = 30;
const MESSAGE_BITS: u32 = 30;
const BODY_BITS: u32 = 46;
const OUTPUT_BITS: u32 = 40;

fn main() -> Result<()> {
    // One thread: what a block costs, not how many run side by side.
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    let mut criterion = Criterion::default().configure_from_args();
    for size in POLYNOMIAL_SIZES {
        products(&mut criterion, size)?;
        ring(&mut criterion, size)?;
        blocks(&mut criterion, size)?;
    }
    packing(&mut criterion);
    criterion.final_summary();
    Ok(())
}

/// Exact products of ring elements.
fn products(criterion: &mut Criterion, size: usize) -> Result<()> {
    let products = Products::new(size).context("no exact product")?;
    let coefficients = noise_like(size);
    let transformed = products.transform(&coefficients);
    let mut group = criterion.benchmark_group("product");
    group.bench_function(BenchmarkId::new("transform", size), |bencher| {
        bencher.iter(|| products.transform(black_box(&coefficients)));
    });
    group.bench_function(BenchmarkId::new("multiply", size), |bencher| {
        bencher.iter(|| products.multiply(black_box(&transformed), black_box(&transformed)));
    });
    group.finish();
    Ok(())
}

/// A full ring ciphertext.
fn ring(criterion: &mut Criterion, size: usize) -> Result<()> {
    let parameters = RingParameters::secure(size)?;
    let key = SecretKey::generate(parameters);
    let coefficients = noise_like(size);
    let seed = key.encrypt(&coefficients, BODY_BITS).seed;
    let mut group = criterion.benchmark_group("ring");
    group.bench_function(BenchmarkId::new("encrypt", size), |bencher| {
        bencher.iter(|| key.encrypt(black_box(&coefficients), BODY_BITS));
    });
    group.bench_function(BenchmarkId::new("expand_mask", size), |bencher| {
        bencher.iter(|| expand_mask(&parameters, black_box(seed)));
    });
    group.finish();
    Ok(())
}

/// A block of rows with one output: as many rows as fit, and a single one.
fn blocks(criterion: &mut Criterion, size: usize) -> Result<()> {
    let messages = Messages::try_from(MESSAGE_BITS).map_err(anyhow::Error::msg)?;
    let encoding =
        PackedRows::new(RingParameters::secure(size)?, (FEATURES, 1), messages, BODY_BITS, OUTPUT_BITS)?;
    let weights = (0..FEATURES as i64).map(|feature| feature * 977 % 4096 - 2048).collect();
    let product = PackedProduct { weights: vec![weights], bias: vec![5] };
    let circuit = Circuit::Product(ProductCircuit::new(encoding, product)?);
    let encoding = Encoding::Rows(encoding);
    let key = Secret::generate(encoding.secret());
    let (encryptor, decryptor) =
        (Encryptor::new(&key, encoding.clone())?, Decryptor::new(&key, encoding.clone())?);
    let evaluator = Evaluator::new(&circuit, &EvaluationKey::Nothing)?;
    let mut group = criterion.benchmark_group("block");
    for rows in [1, encoding.rows_per_block()] {
        let integers: Vec<Vec<i64>> = (0..rows).map(|row| vec![row as i64 - 20; FEATURES]).collect();
        let input = encryptor.encrypt(&integers)?;
        let output = evaluator.evaluate(&input)?;
        let place = format!("{size}/{rows} rows");
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(BenchmarkId::new("encrypt", &place), |bencher| {
            bencher.iter(|| encryptor.encrypt(black_box(&integers)));
        });
        group.bench_function(BenchmarkId::new("evaluate", &place), |bencher| {
            bencher.iter(|| evaluator.evaluate(black_box(&input)));
        });
        group.bench_function(BenchmarkId::new("decrypt", &place), |bencher| {
            bencher.iter(|| decryptor.decrypt(black_box(&output)));
        });
    }
    group.finish();
    Ok(())
}

/// Coefficients to bytes and back.
fn packing(criterion: &mut Criterion) {
    let count = 2048;
    let values: Vec<u64> = noise_like(count).iter().map(|value| value >> (64 - OUTPUT_BITS)).collect();
    let bytes = pack(&values, OUTPUT_BITS);
    let mut group = criterion.benchmark_group("bits");
    group.bench_function(BenchmarkId::new("pack", count), |bencher| {
        bencher.iter(|| pack(black_box(&values), OUTPUT_BITS));
    });
    group.bench_function(BenchmarkId::new("unpack", count), |bencher| {
        bencher.iter(|| unpack(black_box(&bytes), count, OUTPUT_BITS));
    });
    group.finish();
}

/// Values that use all 64 bits, the same in every run.
fn noise_like(count: usize) -> Vec<u64> {
    (1..=count as u64).map(|index| index.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect()
}
