//! The file container of every artifact: keys, ciphertexts, client and server files.
//!
//! Takes a [`Header`] and payload bytes, gives files that appear whole or not at all; takes a file
//! from anywhere, gives a [`Reader`] that has refused, cheapest check first, what is not exactly
//! such a file. It knows nothing of circuits or cryptography beyond their ids.
//!
//! ```text
//! 89 46 48 45 4D 4C 0D 0A | header length, u32 LE | header, JSON | payload | SHA-256 of all before
//! ```

mod checkpoint;
mod codec;
mod container;
mod error;
mod header;
mod hex;
mod id;
mod kind;
mod output;
mod pending;
mod reader;
mod resumable;
mod seal;
mod writer;

pub use checkpoint::Checkpoint;
pub use codec::{from_bytes, to_bytes};
pub use error::{Error, Problem};
pub use header::{BlockSize, Fact, Header, ParameterSummary};
pub use id::{Checksum, CircuitId, KeyId};
pub use kind::Kind;
pub use output::{Access, OutputFile, create_folder};
pub use pending::{Abandoned, TemporaryFolder, abandon_pending};
pub use reader::Reader;
pub use resumable::ResumableWriter;
pub use seal::{seal, unseal};
pub use writer::Writer;
