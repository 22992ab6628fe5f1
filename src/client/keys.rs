//! Key files: made once, never overwritten, the secret one for its user alone.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::artifact::{
    Access, Header, KeyId, Kind, Reader, Writer, create_folder, from_bytes, seal, to_bytes, unseal,
};
use crate::circuit::EvaluationParameters;
use crate::circuit::files::{open_client, summary};
use crate::crypto::{ExpansionKey, Secret, SecretParameters, SeededLookupKey};

/// The secret key's file in a folder of keys.
pub const SECRET_KEY: &str = "secret.key";
/// The evaluation key's file.
pub const EVALUATION_KEY: &str = "evaluation.key";

/// The keys that were made.
#[derive(Clone, Debug, Serialize)]
pub struct Keys {
    /// What all of them and every ciphertext under them carry.
    pub key: KeyId,
    /// Every file with its size in bytes.
    pub files: Vec<(PathBuf, u64)>,
}

/// A secret key from a file.
pub struct OpenedKey {
    /// The key.
    pub secret: Secret,
    /// What ciphertexts under it carry.
    pub id: KeyId,
}

/// Makes keys for the parameters of a client file.
///
/// # Errors
/// If a key file exists or cannot be written.
pub fn generate(client: &Path, folder: &Path, passphrase: Option<&str>) -> Result<Keys> {
    let spec = open_client(client)?.value;
    let parameter_summary = summary(&spec.encoding);
    let secret_key = Secret::generate(spec.encoding.secret());
    let key = KeyId::random()?;
    create_folder(folder)?;
    let (secret_path, evaluation_path) = (folder.join(SECRET_KEY), folder.join(EVALUATION_KEY));

    let mut header = Header::new(Kind::SecretKey);
    header.key = Some(key);
    header.parameters = Some(parameter_summary.clone());
    header.sealed = passphrase.is_some();
    let mut secret = Writer::create(&secret_path, &header, Access::Secret)?;
    secret.write_all(&payload(&secret_key, passphrase)?)?;

    let mut header = Header::new(Kind::EvaluationKey);
    header.key = Some(key);
    header.parameters = Some(parameter_summary.clone());
    let evaluation_parameters = spec.encoding.evaluation();
    header.add_fact(
        "holds",
        match evaluation_parameters {
            EvaluationParameters::Nothing => "nothing: weights are applied to the ciphertext itself",
            EvaluationParameters::Expansion(_) => "keys to expand packed bits and to multiply with them",
            EvaluationParameters::Lookups(_) => "keys to look up: bootstrapping and key switch",
        },
    );
    let mut evaluation = Writer::create(&evaluation_path, &header, Access::Public)?;
    evaluation.write_all(&evaluation_bytes(&secret_key, &evaluation_parameters)?)?;

    let sizes = Writer::finish_all(vec![secret, evaluation])?;
    Ok(Keys { key, files: [secret_path, evaluation_path].into_iter().zip(sizes).collect() })
}

/// The bytes of a fresh evaluation key for a secret key.
///
/// # Errors
/// If the secret key is for other circuits.
pub fn evaluation_bytes(secret: &Secret, parameters: &EvaluationParameters) -> Result<Vec<u8>> {
    Ok(match (secret, parameters) {
        (_, EvaluationParameters::Nothing) => Vec::new(),
        (Secret::Ring(secret), EvaluationParameters::Expansion(expansion)) => {
            ExpansionKey::generate(secret, expansion)?.to_bytes()
        }
        (Secret::Lookups(secret), EvaluationParameters::Lookups(_)) => {
            SeededLookupKey::generate(secret).to_bytes()
        }
        (Secret::Ring(_), EvaluationParameters::Lookups(_))
        | (Secret::Lookups(_), EvaluationParameters::Expansion(_)) => {
            bail!("the secret key is for other circuits")
        }
    })
}

/// Opens a secret key; a sealed one needs its passphrase.
///
/// # Errors
/// If the file is not a secret key, is damaged, or the passphrase is missing or wrong.
pub fn open_secret_key(path: &Path, passphrase: Option<&str>) -> Result<OpenedKey> {
    let mut reader = Reader::open(path)?;
    reader.expect(Kind::SecretKey)?;
    let name = path.display();
    let id = reader.header().key.with_context(|| format!("'{name}' has no key id"))?;
    reader.verify(&crate::progress::Silent)?;
    let length = reader.payload_len() as usize;
    let stored = Zeroizing::new(reader.read_at(0, length)?);
    let plain = match (reader.header().sealed, passphrase) {
        (false, _) => stored,
        (true, Some(passphrase)) => {
            unseal(&stored, passphrase).with_context(|| format!("cannot open '{name}'"))?
        }
        (true, None) => bail!(
            "'{name}' is sealed with a passphrase\nhint: give it with --passphrase-file or FHE_ML_PASSPHRASE"
        ),
    };
    let (parameters, bits): (SecretParameters, Vec<u8>) =
        from_bytes(&plain).with_context(|| format!("cannot read '{name}'"))?;
    let bits = Zeroizing::new(bits);
    let secret = Secret::from_bytes(parameters, &bits).with_context(|| format!("cannot read '{name}'"))?;
    Ok(OpenedKey { secret, id })
}

fn payload(secret: &Secret, passphrase: Option<&str>) -> Result<Zeroizing<Vec<u8>>> {
    let bits = secret.to_bytes();
    let plain = Zeroizing::new(to_bytes(&(secret.parameters(), bits.as_slice()))?);
    match passphrase {
        None => Ok(plain),
        Some(passphrase) => Ok(Zeroizing::new(seal(&plain, passphrase)?)),
    }
}
