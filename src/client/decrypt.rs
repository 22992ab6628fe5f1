//! Decryption over files: encrypted results stream in, the model's outputs stream out.

use std::path::Path;

use anyhow::{Context, Result, bail};
use rayon::prelude::*;

use super::Decryptor;
use super::keys::open_secret_key;
use crate::artifact::{Kind, Reader};
use crate::circuit::files::{Opened, open_client};
use crate::circuit::{Blocks, ClientSpec, Count, OutputBlock};
use crate::progress::Progress;
use crate::tensor::{Field, Row};

/// An encrypted output together with all that opens it, checked.
pub struct Results {
    client: Opened<ClientSpec>,
    key: super::keys::OpenedKey,
    input: Reader,
    blocks: Blocks,
    count: Count,
}

/// The files of a decryption.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The client file.
    pub client: &'a Path,
    /// The secret key.
    pub key: &'a Path,
    /// Opens a sealed key.
    pub passphrase: Option<&'a str>,
    /// The encrypted results.
    pub input: &'a Path,
}

impl Results {
    /// Opens encrypted results.
    ///
    /// # Errors
    /// If the files do not belong together or are damaged.
    pub fn open(request: &Request<'_>, progress: &dyn Progress) -> Result<Self> {
        let client = open_client(request.client)?;
        let mut input = Reader::open(request.input)?;
        input.require(Kind::EncryptedOutput)?;
        input.require_circuit(client.circuit, request.client)?;
        let key = open_secret_key(request.key, request.passphrase)?;
        input.require_key(key.id, request.key)?;
        input.verify(progress)?;
        let blocks = Blocks::of_outputs(client.value.encoding.clone());
        let count = blocks.count(&mut input)?;
        Ok(Self { client, key, input, blocks, count })
    }

    /// The number of rows.
    pub fn rows(&self) -> u64 {
        self.count.rows
    }

    /// What each row will hold: the model's outputs.
    pub fn fields(&self) -> Vec<Field> {
        self.client.value.epilogue.outputs().iter().map(|output| output.field.clone()).collect()
    }

    /// Decrypts all rows, in order.
    ///
    /// # Errors
    /// If a block is malformed, a row's epilogue cannot be computed, or `take` fails.
    pub fn decrypt(mut self, progress: &dyn Progress, mut take: impl FnMut(Row) -> Result<()>) -> Result<()> {
        let spec = &self.client.value;
        let name = self.input.path().display().to_string();
        let decryptor = Decryptor::new(&self.key.secret, spec.encoding.clone())?;
        let mut payload = self.input.payload()?;
        let mut rows = 0;
        progress.begin("decrypt", Some(self.count.rows));
        loop {
            let batch = self.blocks.batch(&mut payload, rayon::current_num_threads())?;
            if batch.is_empty() {
                break;
            }
            let open = |bytes: &Vec<u8>| {
                let block = OutputBlock::read(&spec.encoding, bytes)
                    .with_context(|| format!("cannot read '{name}'"))?;
                let integers = decryptor.decrypt(&block)?;
                integers.par_iter().map(|integers| spec.decode(integers)).collect::<Result<Vec<_>>>()
            };
            for row in batch.par_iter().map(open).collect::<Result<Vec<_>>>()?.into_iter().flatten() {
                take(row).with_context(|| format!("row {}", rows + 1))?;
                rows += 1;
                progress.advance(1);
            }
        }
        progress.end();
        if rows != self.count.rows {
            bail!("'{name}' was to hold {} rows and holds {rows}", self.count.rows);
        }
        Ok(())
    }
}
