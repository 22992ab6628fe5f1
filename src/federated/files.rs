//! Plans as files: the parties' half and the server's half.

use std::path::Path;

use anyhow::{Context, Result};

use super::{Packing, Plan, Round};
use crate::artifact::{
    Access, CircuitId, Header, Kind, ParameterSummary, Reader, Writer, create_folder, to_bytes,
};
use crate::circuit::files::{CLIENT_FILE, Opened, SERVER_FILE, Saved, circuit_of};
use crate::crypto::{SECURITY_BITS, SecretParameters};

/// Writes both halves of a plan into a folder.
///
/// # Errors
/// If one of them exists or cannot be written.
pub fn save(folder: &Path, plan: &Plan) -> Result<Saved> {
    create_folder(folder)?;
    let round = plan.round();
    let id = CircuitId::of(&to_bytes(plan)?);
    let header = |kind| -> Result<Header> {
        let mut header = Header::new(kind);
        header.circuit = Some(id);
        header.parameters = Some(summary(round.packing()));
        header.add_fact("values", round.packing().values());
        header.add_fact("parties at most", round.limits().parties);
        header.add_fact("weights at most", format!("{} in sum", round.limits().total_weight));
        header.add_fact("bits of a sum", round.messages()?.bits());
        Ok(header)
    };
    let mut client_header = header(Kind::AggregationClient)?;
    client_header.add_fact("arrays", plan.arrays().len());
    let scale = plan.scale();
    client_header
        .add_fact("values from", format!("{} to {}, {} bits", -scale.clip(), scale.clip(), scale.bits()));
    if let Some(norm) = plan.clip_norm() {
        client_header.add_fact("2-norm at most", norm);
    }
    let paths = [CLIENT_FILE, SERVER_FILE].map(|name| folder.join(name));
    let mut client = Writer::create(&folder.join(CLIENT_FILE), &client_header, Access::Public)?;
    client.encode(plan)?;
    let server_header = header(Kind::AggregationServer)?;
    let mut server = Writer::create(&folder.join(SERVER_FILE), &server_header, Access::Public)?;
    server.encode(round)?;
    let sizes = Writer::finish_all(vec![client, server])?;
    Ok(Saved { circuit: id, files: paths.into_iter().zip(sizes).collect() })
}

/// Opens the parties' half.
///
/// # Errors
/// If the file is not that, or is damaged.
pub fn open_client(path: &Path) -> Result<Opened<Plan>> {
    let mut reader = Reader::open(path)?;
    reader.require(Kind::AggregationClient)?;
    Ok(Opened { value: reader.decode()?, circuit: circuit_of(&reader)?, path: path.to_owned() })
}

/// Opens the server's half.
///
/// # Errors
/// If the file is not that, or is damaged.
pub fn open_server(path: &Path) -> Result<Opened<Round>> {
    let mut reader = Reader::open(path)?;
    reader.require(Kind::AggregationServer)?;
    Ok(Opened { value: reader.decode()?, circuit: circuit_of(&reader)?, path: path.to_owned() })
}

/// The parameters of ciphertexts in words.
pub(super) fn summary(packing: &Packing) -> ParameterSummary {
    let description = SecretParameters::Shared(*packing.parameters()).description();
    let bits = packing.bits();
    let description =
        format!("{description}; stored in {} bits of masks, {} of bodies", bits.mask, bits.body);
    ParameterSummary { security_bits: SECURITY_BITS, description }
}

/// Refuses ciphertexts that have not exactly the bytes of an update, after `before` other ones.
///
/// # Errors
/// If it is so.
pub(super) fn expect_length(reader: &Reader, packing: &Packing, before: u64) -> Result<()> {
    let (expected, found) = (before + packing.bytes(), reader.payload_len());
    (expected == found).then_some(()).with_context(|| {
        format!("'{}' holds {found} bytes, the plan takes {expected}", reader.path().display())
    })
}
