//! Plans, keys and encrypted rows as files.

use std::path::Path;

use anyhow::{Context, Result};

use super::{ClientPlan, Plan, SeededTrainingKey, TrainingParameters};
use crate::artifact::{
    Access, CircuitId, Header, Kind, ParameterSummary, Reader, Writer, create_folder, to_bytes,
};
use crate::circuit::files::{CLIENT_FILE, Opened, SERVER_FILE, Saved, circuit_of};
use crate::client::keys::{EvaluationKeyBytes, KeySet};
use crate::crypto::{LookupSecretKey, PublicKey, SECURITY_BITS, Secret};

/// Writes both files of a plan into a folder.
///
/// # Errors
/// If one of them exists or cannot be written.
pub fn save(folder: &Path, client: &ClientPlan) -> Result<Saved> {
    create_folder(folder)?;
    let id = CircuitId::of(&to_bytes(&client.plan)?);
    let begin = |kind, name: &str| {
        let literal = client.plan.settings().literal();
        let mut header = Header::new(kind);
        header.circuit = Some(id);
        header.parameters = Some(summary(client.plan.parameters()));
        header.add_fact("features", literal.features);
        header.add_fact("rows at most", literal.rows);
        header.add_fact("epochs", literal.epochs);
        header.add_fact("rows a step", literal.batch);
        Writer::create(&folder.join(name), &header, Access::Public)
    };
    let mut client_file = begin(Kind::TrainingClient, CLIENT_FILE)?;
    client_file.encode(client)?;
    let mut server_file = begin(Kind::TrainingServer, SERVER_FILE)?;
    server_file.encode(&client.plan)?;
    let sizes = Writer::finish_all(vec![client_file, server_file])?;
    let paths = [CLIENT_FILE, SERVER_FILE].map(|name| folder.join(name));
    Ok(Saved { circuit: id, files: paths.into_iter().zip(sizes).collect() })
}

/// Opens the client's half of a plan.
///
/// # Errors
/// If the file is not that, or is damaged.
pub fn open_client(path: &Path) -> Result<Opened<ClientPlan>> {
    let mut reader = Reader::open(path)?;
    reader.require(Kind::TrainingClient)?;
    let value: ClientPlan = reader.decode()?;
    value.check().with_context(|| format!("cannot use '{}'", path.display()))?;
    Ok(Opened { value, circuit: circuit_of(&reader)?, path: path.to_owned() })
}

/// Opens the server's half of a plan.
///
/// # Errors
/// If the file is not that, or is damaged.
pub fn open_server(path: &Path) -> Result<Opened<Plan>> {
    let mut reader = Reader::open(path)?;
    reader.require(Kind::TrainingServer)?;
    let value = reader.decode()?;
    Ok(Opened { value, circuit: circuit_of(&reader)?, path: path.to_owned() })
}

/// Fresh keys for a plan's client file.
///
/// # Errors
/// If the file is not that, or is damaged.
pub fn key_set(client: &Path) -> Result<KeySet> {
    let plan = open_client(client)?.value.plan;
    let secret = LookupSecretKey::generate(*plan.parameters().lookup());
    let bytes = SeededTrainingKey::generate(&secret, plan.parameters())?.to_bytes();
    let public = PublicKey::generate(&[secret.as_ring_key()?])?;
    Ok(KeySet {
        parameters: summary(plan.parameters()),
        secret: Secret::Lookups(secret.into()),
        evaluation: Some(EvaluationKeyBytes {
            bytes,
            holds: "keys to part and to reverse packed rows, and to look up: bootstrapping and key switch",
        }),
        public: Some(public),
    })
}

/// The parameters in words, for headers.
pub fn summary(parameters: &TrainingParameters) -> ParameterSummary {
    let (lookup, ring) = (parameters.lookup(), parameters.expansion().ring());
    let description = format!(
        "ring of polynomial size {}, modulus 2^64, binary secret, Gaussian noise 2^{:.1}, rows by gadget {}x{}; lookups \
         with {} polynomials of size {} under the same secret; LWE dimension {}, modulus 2^32, Gaussian noise 2^{:.1}; \
         bootstrapping by gadget {}x{}, key switch {}x{}",
        ring.polynomial_size(),
        ring.noise_std().log2(),
        parameters.product().log2_base(),
        parameters.product().levels(),
        lookup.glwe_dimension(),
        lookup.polynomial_size(),
        lookup.lwe_dimension(),
        lookup.small_variance().sqrt().log2(),
        lookup.bootstrap().log2_base(),
        lookup.bootstrap().levels(),
        lookup.key_switch().log2_base(),
        lookup.key_switch().levels()
    );
    ParameterSummary { security_bits: SECURITY_BITS, description }
}
