//! Federated learning with encrypted aggregation: parties encrypt updates under one public key, a server adds
//! them up with clear weights, the holder of the secret key opens the average alone.
//!
//! Takes files of named arrays, gives files of the same arrays. A value is clipped, rounded to an integer and
//! encrypted as one coefficient; sums are exact. It knows nothing of models or of how updates come about.

mod aggregate;
mod decrypt;
mod encrypt;
mod files;
mod keys;
mod noise;
mod packing;
mod party;
mod plan;
mod planning;
mod scale;

pub use aggregate::{Aggregated, Aggregation, PartyWeight, aggregate};
pub use decrypt::{Decrypted, Decryption, decrypt};
pub use encrypt::{Encrypted, Encryption, encrypt};
pub use files::{open_client, open_server, save};
pub use keys::key_set;
pub use packing::Packing;
pub use plan::{Limits, Plan, Round};
pub use planning::{Wishes, plan};
pub use scale::Scale;
