//! Key files: made once, never overwritten, the secret one for its user alone.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::artifact::{
    Access, Header, KeyId, Kind, ParameterSummary, Reader, Writer, create_folder, from_bytes, seal, to_bytes,
    unseal,
};
use crate::circuit::EvaluationParameters;
use crate::circuit::files::{open_client, summary};
use crate::crypto::{ExpansionKey, PublicKey, Secret, SecretParameters, SeededLookupKey};

/// The secret key's file in a folder of keys.
pub const SECRET_KEY: &str = "secret.key";
/// The evaluation key's file.
pub const EVALUATION_KEY: &str = "evaluation.key";

/// The public key's file.
pub const PUBLIC_KEY: &str = "public.key";

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

/// A public key from a file.
#[derive(Debug)]
pub struct OpenedPublicKey {
    /// The key.
    pub public: PublicKey,
    /// What ciphertexts under it carry.
    pub id: KeyId,
}

/// Keys that belong together, not yet written.
pub struct KeySet {
    /// The secret key's parameters in words.
    pub parameters: ParameterSummary,
    /// The secret key.
    pub secret: Secret,
    /// The evaluation key, where the server needs one.
    pub evaluation: Option<EvaluationKeyBytes>,
    /// The public key, where others encrypt.
    pub public: Option<PublicKey>,
}

/// An evaluation key as it is stored.
pub struct EvaluationKeyBytes {
    /// The payload of its file.
    pub bytes: Vec<u8>,
    /// What it holds, in words.
    pub holds: &'static str,
}

impl KeySet {
    /// Fresh keys for the parameters of a compiled model's client file.
    ///
    /// # Errors
    /// If the file is not that, or is damaged.
    pub fn of_model(client: &Path) -> Result<Self> {
        let encoding = open_client(client)?.value.encoding;
        let secret = Secret::generate(encoding.secret());
        let parameters = encoding.evaluation();
        let bytes = evaluation_bytes(&secret, &parameters)?;
        let holds = match parameters {
            EvaluationParameters::Nothing => "nothing: weights are applied to the ciphertext itself",
            EvaluationParameters::Expansion(_) => "keys to expand packed bits and to multiply with them",
            EvaluationParameters::Lookups(_) => "keys to look up: bootstrapping and key switch",
        };
        let evaluation = Some(EvaluationKeyBytes { bytes, holds });
        Ok(Self { parameters: summary(&encoding), secret, evaluation, public: None })
    }

    /// Writes the keys into a folder: all of them, or none.
    ///
    /// # Errors
    /// If a key file exists or cannot be written.
    pub fn save(&self, folder: &Path, passphrase: Option<&str>) -> Result<Keys> {
        let key = KeyId::random()?;
        create_folder(folder)?;
        let header = |kind| {
            let mut header = Header::new(kind);
            header.key = Some(key);
            header.parameters = Some(self.parameters.clone());
            header
        };
        let mut secret_header = header(Kind::SecretKey);
        secret_header.sealed = passphrase.is_some();
        let mut paths = vec![folder.join(SECRET_KEY)];
        let mut secret = Writer::create(&folder.join(SECRET_KEY), &secret_header, Access::Secret)?;
        secret.write_all(&payload(&self.secret, passphrase)?)?;
        let mut writers = vec![secret];
        if let Some(evaluation) = &self.evaluation {
            let mut evaluation_header = header(Kind::EvaluationKey);
            evaluation_header.add_fact("holds", evaluation.holds);
            paths.push(folder.join(EVALUATION_KEY));
            let mut writer =
                Writer::create(&folder.join(EVALUATION_KEY), &evaluation_header, Access::Public)?;
            writer.write_all(&evaluation.bytes)?;
            writers.push(writer);
        }
        if let Some(public) = &self.public {
            paths.push(folder.join(PUBLIC_KEY));
            let mut writer =
                Writer::create(&folder.join(PUBLIC_KEY), &header(Kind::PublicKey), Access::Public)?;
            writer.encode(public)?;
            writers.push(writer);
        }
        let sizes = Writer::finish_all(writers)?;
        Ok(Keys { key, files: paths.into_iter().zip(sizes).collect() })
    }
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
            secret.evaluation_keys().iter().flat_map(SeededLookupKey::to_bytes).collect()
        }
        (Secret::Ring(_), EvaluationParameters::Lookups(_))
        | (Secret::Lookups(_), EvaluationParameters::Expansion(_))
        | (Secret::Shared(_), _) => {
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
    reader.require(Kind::SecretKey)?;
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

/// Opens a public key.
///
/// # Errors
/// If the file is not a public key, or is damaged.
pub fn open_public_key(path: &Path) -> Result<OpenedPublicKey> {
    let mut reader = Reader::open(path)?;
    reader.require(Kind::PublicKey)?;
    let id = reader.header().key.with_context(|| format!("'{}' has no key id", path.display()))?;
    Ok(OpenedPublicKey { public: reader.decode()?, id })
}

fn payload(secret: &Secret, passphrase: Option<&str>) -> Result<Zeroizing<Vec<u8>>> {
    let bits = secret.to_bytes();
    let plain = Zeroizing::new(to_bytes(&(secret.parameters(), bits.as_slice()))?);
    match passphrase {
        None => Ok(plain),
        Some(passphrase) => Ok(Zeroizing::new(seal(&plain, passphrase)?)),
    }
}
