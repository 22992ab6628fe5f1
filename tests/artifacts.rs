//! What the file container promises: every damage has its own refusal, no output replaces a file.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use fhe_ml::artifact::{
    Access, Checksum, CircuitId, Error, Header, KeyId, Kind, OutputFile, Problem, Reader, ResumableWriter,
    Writer, abandon_pending, create_folder,
};
use fhe_ml::progress::Silent;
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const PREFIX: usize = 12;

/// A folder with one whole artifact in it, `whole`.
struct Bench {
    folder: TempDir,
    bytes: Vec<u8>,
}

impl Bench {
    fn new(kind: Kind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("whole");
        let mut header = Header::new(kind);
        header.circuit = Some(CircuitId::of(b"this circuit"));
        header.key = Some(KeyId::random().unwrap());
        let mut writer = Writer::create(&path, &header, Access::Public).unwrap();
        writer.encode(&vec![1_u64, 2, 3]).unwrap();
        writer.finish().unwrap();
        let bytes = fs::read(path).unwrap();
        Self { folder, bytes }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn open(&self, bytes: &[u8]) -> anyhow::Result<Reader> {
        let path = self.path("damaged");
        fs::write(&path, bytes).unwrap();
        Reader::open(&path)
    }

    fn header_end(&self) -> usize {
        PREFIX + u32::from_le_bytes(self.bytes[8..PREFIX].try_into().unwrap()) as usize
    }

    /// The artifact with another header and the checksum that fits.
    fn with_header(&self, header: &[u8]) -> Vec<u8> {
        let payload = &self.bytes[self.header_end()..self.bytes.len() - 32];
        let length = u32::try_from(header.len()).unwrap().to_le_bytes();
        with_checksum([&self.bytes[..8], &length, header, payload].concat())
    }

    fn with_header_field(&self, name: &str, value: Value) -> Vec<u8> {
        let mut header: Value = serde_json::from_slice(&self.bytes[PREFIX..self.header_end()]).unwrap();
        header[name] = value;
        self.with_header(&serde_json::to_vec(&header).unwrap())
    }

    fn with_payload(&self, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = self.bytes[..self.bytes.len() - 32].to_vec();
        change(&mut bytes);
        with_checksum(bytes)
    }
}

fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = Sha256::digest(&bytes);
    bytes.extend_from_slice(&checksum);
    bytes
}

fn problem(error: &anyhow::Error) -> &Problem {
    error.downcast_ref::<Error>().unwrap_or_else(|| panic!("not an artifact error: {error:#}")).problem()
}

fn decode(mut reader: Reader) -> anyhow::Result<Vec<u64>> {
    reader.decode()
}

/// Every kind meets every damage that shows before the payload is read.
#[test]
fn damages_seen_on_opening() {
    for kind in Kind::ALL {
        let bench = Bench::new(kind);
        let whole = &bench.bytes;
        let changed = |at: usize, byte: u8| {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            bytes
        };
        let damages: Vec<(&str, Vec<u8>, &str)> = vec![
            ("empty", vec![], "the file is empty"),
            ("text", b"a,b,c\n1,2,3\n".to_vec(), "not a file of fhe-ml"),
            ("short text", b"a,b".to_vec(), "not a file of fhe-ml"),
            ("wrong magic", changed(0, 0x09), "not a file of fhe-ml"),
            (
                "line ends changed in transfer",
                [&whole[..6], b"\n", &whole[8..]].concat(),
                "not a file of fhe-ml",
            ),
            ("only magic", whole[..8].to_vec(), "ends early, after 8 bytes"),
            ("cut in the length", whole[..10].to_vec(), "ends early, after 10 bytes"),
            ("cut in the header", whole[..40].to_vec(), "ends early, after 40 bytes"),
            ("cut before the checksum", whole[..bench.header_end() + 31].to_vec(), "ends early"),
            ("header too long", changed(10, 0x02), "at most 65536 are allowed"),
            ("header not JSON", changed(PREFIX, b'!'), "the header is not valid"),
            ("header empty", bench.with_header(b""), "the header is not valid"),
            ("header a list", bench.with_header(b"[]"), "the header is not valid"),
            ("unknown header key", bench.with_header_field("colour", json!("red")), "unknown field `colour`"),
            ("malformed id", bench.with_header_field("key", json!("4f1c")), "expected 32 hexadecimal digits"),
            (
                "future container",
                bench.with_header_field("container", json!(2)),
                "written as container version 2",
            ),
            ("future schema", bench.with_header_field("schema", json!(9)), "written as schema 9"),
            ("unknown kind", bench.with_header_field("kind", json!("spell")), "unknown kind 'spell'"),
        ];
        for (name, bytes, message) in damages {
            let error = bench.open(&bytes).err().unwrap_or_else(|| panic!("{kind}, {name}: accepted"));
            problem(&error);
            assert!(error.to_string().contains(message), "{kind}, {name}: {error:#}");
            assert!(error.to_string().contains("damaged'"), "{kind}, {name}: no file name in {error:#}");
        }
    }
}

#[test]
fn damages_seen_on_decoding() {
    for kind in Kind::ALL {
        let bench = Bench::new(kind);
        let whole = &bench.bytes;
        let mut flipped = whole.clone();
        flipped[bench.header_end() + 3] ^= 0x10;
        let damages: Vec<(&str, Vec<u8>, &str)> = vec![
            ("flipped byte", flipped, "its checksum does not match"),
            ("short payload", whole[..whole.len() - 1].to_vec(), "its checksum does not match"),
            ("trailing byte", [&whole[..], b"\0"].concat(), "its checksum does not match"),
            (
                "honest short payload",
                bench.with_payload(|bytes| bytes.truncate(bytes.len() - 1)),
                "cannot decode",
            ),
            ("honest trailing byte", bench.with_payload(|bytes| bytes.push(0)), "1 bytes are left over"),
            ("no payload", bench.with_payload(|bytes| bytes.truncate(bytes.len() - 32)), "cannot decode"),
        ];
        for (name, bytes, message) in damages {
            let error = decode(bench.open(&bytes).unwrap()).expect_err(name);
            problem(&error);
            assert!(error.to_string().contains(message), "{kind}, {name}: {error:#}");
        }
    }
}

#[test]
fn a_payload_over_the_limit_of_its_kind_is_refused_unread() {
    let bench = Bench::new(Kind::SecretKey);
    let path = bench.path("whole");
    let limit = Kind::SecretKey.max_payload_bytes();
    let length = bench.header_end() as u64 + limit + 32;
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(length).unwrap();
    assert_eq!(Reader::open(&path).unwrap().payload_len(), limit);
    file.set_len(length + 1).unwrap();
    let error = Reader::open(&path).err().unwrap();
    assert_eq!(*problem(&error), Problem::OverLimit { kind: Kind::SecretKey, bytes: limit + 1, limit });
}

#[test]
fn a_mix_up_names_both_sides_and_the_remedy() {
    let bench = Bench::new(Kind::SecretKey);
    let reader = bench.open(&bench.bytes).unwrap();
    let other = Path::new("other.key");
    for expected in Kind::ALL.into_iter().filter(|&kind| kind != Kind::SecretKey) {
        let message = reader.require(expected).unwrap_err().to_string();
        assert!(message.contains(&format!("expected {expected}, found secret key")), "{message}");
        assert!(message.contains("hint: a secret key must never reach the server"), "{message}");
    }
    reader.require(Kind::SecretKey).unwrap();

    let message = reader.require_circuit(CircuitId::of(b"that circuit"), other).unwrap_err().to_string();
    assert!(message.contains("belongs to circuit") && message.contains("'other.key'"), "{message}");
    reader.require_circuit(CircuitId::of(b"this circuit"), other).unwrap();

    let message = reader.require_key(KeyId::random().unwrap(), other).unwrap_err().to_string();
    assert!(message.contains("belongs to key") && message.contains("'other.key'"), "{message}");
    reader.require_key(reader.header().key.unwrap(), other).unwrap();
}

#[test]
fn the_payload_is_read_whole_in_part_and_decoded() {
    let bench = Bench::new(Kind::Server);
    let mut reader = bench.open(&bench.bytes).unwrap();
    reader.verify(&Silent).unwrap();
    let mut payload = Vec::new();
    reader.payload().unwrap().read_to_end(&mut payload).unwrap();
    assert_eq!(payload.len() as u64, reader.payload_len());
    assert_eq!(reader.read_at(8, 8).unwrap(), payload[8..16]);
    assert!(reader.read_at(u64::MAX, 8).is_err());
    assert!(reader.read_at(reader.payload_len() - 7, 8).is_err());
    assert_eq!(reader.file_len(), bench.bytes.len() as u64);
    assert_eq!(decode(reader).unwrap(), [1, 2, 3]);
}

#[test]
fn the_same_artifact_has_the_same_bytes() {
    let bench = Bench::new(Kind::Client);
    let mut reader = bench.open(&bench.bytes).unwrap();
    let value: Vec<u64> = reader.decode().unwrap();
    let mut writer = Writer::create(&bench.path("again"), reader.header(), Access::Public).unwrap();
    writer.encode(&value).unwrap();
    assert_eq!(writer.finish().unwrap(), bench.bytes.len() as u64);
    assert_eq!(fs::read(bench.path("again")).unwrap(), bench.bytes);
}

#[test]
fn an_existing_file_is_never_replaced() {
    let bench = Bench::new(Kind::Server);
    let (path, header) = (bench.path("whole"), Header::new(Kind::Server));
    let taken = "refusing to overwrite existing file";
    let refused = |error: Option<anyhow::Error>| error.unwrap().to_string().contains(taken);
    assert!(refused(Writer::create(&path, &header, Access::Public).err()));
    assert!(refused(OutputFile::create(&path).err()));
    assert!(refused(ResumableWriter::open(&path, &header, source(), 64, 100).err()));

    // A file that comes up while the output is being written stays, and nothing else is left.
    let late = bench.path("late");
    let writer = Writer::create(&late, &header, Access::Public).unwrap();
    let resumable = ResumableWriter::open(&bench.path("later"), &header, source(), 64, 100).unwrap();
    fs::write(&late, "first").unwrap();
    fs::write(bench.path("later"), "first").unwrap();
    assert!(refused(writer.finish().err()));
    assert!(refused(resumable.finish().err()));
    assert_eq!(fs::read(&late).unwrap(), b"first");
    assert_eq!(fs::read(&path).unwrap(), bench.bytes);
    assert_eq!(names(bench.folder.path()), ["late", "later", "later.partial", "whole"]);
}

#[test]
fn an_output_appears_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    let mut output = OutputFile::create(&path).unwrap();
    output.write_all(b"half").unwrap();
    assert!(!path.exists());
    drop(output);
    assert!(names(folder.path()).is_empty());

    let mut output = OutputFile::create(&path).unwrap();
    output.write_all(b"whole").unwrap();
    output.finish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"whole");
    assert_eq!(names(folder.path()), ["rows.csv"]);
}

#[test]
fn folders_are_made_only_where_asked() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a/b");
    let message = OutputFile::create(&deep.join("file")).err().unwrap().to_string();
    assert!(message.contains("there is no folder") && message.contains("hint: create"), "{message}");
    create_folder(&deep).unwrap();
    create_folder(&deep).unwrap();
    OutputFile::create(&deep.join("file")).unwrap().finish().unwrap();
    let message = create_folder(&deep.join("file")).unwrap_err().to_string();
    assert!(message.contains("it is a file, not a folder"), "{message}");
    let message = OutputFile::create(&deep).err().unwrap().to_string();
    assert!(message.contains("it is a folder"), "{message}");
}

#[cfg(unix)]
#[test]
fn secrets_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let mode = |access: Access, name: &str| {
        let path = folder.path().join(name);
        Writer::create(&path, &Header::new(Kind::SecretKey), access).unwrap().finish().unwrap();
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode(Access::Secret, "secret"), 0o600);
    assert_ne!(mode(Access::Public, "public") & 0o400, 0);
}

#[test]
fn results_go_on_where_they_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let (path, header) = (folder.path().join("y.ct"), Header::new(Kind::EncryptedOutput));
    let partial = folder.path().join("y.ct.partial");
    let block = |index: u8| [index; 64];

    let mut writer = ResumableWriter::open(&path, &header, source(), 64, 100).unwrap();
    assert_eq!(writer.existing(), 0);
    writer.write_all(&block(0)).unwrap();
    writer.write_all(&block(1)).unwrap();
    writer.write_all(&block(2)[..10]).unwrap();
    let message = ResumableWriter::open(&path, &header, source(), 64, 100).err().unwrap().to_string();
    assert!(message.contains("being written by another process"), "{message}");
    drop(writer);

    // A block torn by a crash is written again.
    fs::File::options().append(true).open(&partial).unwrap().write_all(&[9; 10]).unwrap();
    let mut writer = ResumableWriter::open(&path, &header, source(), 64, 100).unwrap();
    assert_eq!(writer.existing(), 128);
    writer.write_all(&block(2)).unwrap();
    let bytes = writer.finish().unwrap();

    assert_eq!(names(folder.path()), ["y.ct"]);
    let mut reader = Reader::open(&path).unwrap();
    assert_eq!(reader.file_len(), bytes);
    assert_eq!(reader.header().source, Some(source()));
    reader.verify(&Silent).unwrap();
    assert_eq!(reader.read_at(0, 192).unwrap(), [block(0), block(1), block(2)].concat());
}

#[test]
fn results_of_other_inputs_do_not_mix() {
    let folder = tempfile::tempdir().unwrap();
    let (path, header) = (folder.path().join("y.ct"), Header::new(Kind::EncryptedOutput));
    drop(ResumableWriter::open(&path, &header, source(), 64, 100).unwrap());
    let mut other = header.clone();
    other.key = Some(KeyId::random().unwrap());
    other.add_fact("rows", 1_000_000);
    for (header, source) in [(&other, source()), (&header, other_source())] {
        let message = ResumableWriter::open(&path, header, source, 64, 100).err().unwrap().to_string();
        assert!(message.contains("hint: remove it to begin anew"), "{message}");
    }
    fs::write(folder.path().join("y.ct.partial"), vec![b'x'; 4096]).unwrap();
    let message = ResumableWriter::open(&path, &header, source(), 64, 100).err().unwrap().to_string();
    assert!(message.contains("hint: remove it to begin anew"), "{message}");
}

#[test]
fn a_torn_header_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (path, header) = (folder.path().join("y.ct"), Header::new(Kind::EncryptedOutput));
    let partial = folder.path().join("y.ct.partial");
    drop(ResumableWriter::open(&path, &header, source(), 64, 100).unwrap());
    fs::File::options().write(true).open(&partial).unwrap().set_len(20).unwrap();
    let mut writer = ResumableWriter::open(&path, &header, source(), 64, 100).unwrap();
    writer.write_all(&[7; 64]).unwrap();
    writer.finish().unwrap();
    Reader::open(&path).unwrap().verify(&Silent).unwrap();
}

#[test]
fn the_last_block_may_be_shorter() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("y.ct");
    let mut writer =
        ResumableWriter::open(&path, &Header::new(Kind::EncryptedOutput), source(), 64, 1).unwrap();
    writer.write_all(&[1; 70]).unwrap();
    writer.finish().unwrap();
    let reader = Reader::open(&path).unwrap();
    reader.verify(&Silent).unwrap();
    assert_eq!(reader.payload_len(), 70);
}

#[test]
fn what_an_interrupted_finish_left_is_no_block() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("y.ct");
    let header = Header::new(Kind::EncryptedOutput);
    let mut writer = ResumableWriter::open(&path, &header, source(), 64, 1).unwrap();
    writer.write_all(&[1; 64]).unwrap();
    drop(writer);
    let partial = folder.path().join("y.ct.partial");
    // A last block of 40 bytes and a checksum: longer than a whole block.
    fs::File::options().append(true).open(&partial).unwrap().write_all(&[9; 72]).unwrap();
    let writer = ResumableWriter::open(&path, &header, source(), 64, 1).unwrap();
    assert_eq!(writer.existing(), 64);
}

/// Runs alone in its own process: it takes away what other tests are writing.
#[test]
#[ignore = "touches the temporary files of the whole process; run by the test below"]
fn abandon_alone() {
    let folder = tempfile::tempdir().unwrap();
    let output = OutputFile::create(&folder.path().join("a")).unwrap();
    assert_eq!(names(folder.path()).len(), 1);
    abandon_pending();
    assert!(names(folder.path()).is_empty());
    drop(output);
}

#[test]
fn an_interrupt_takes_temporary_files_away() {
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "abandon_alone"])
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let bench = Bench::new(Kind::Server);
        prop_assert!(bench.open(&bytes).and_then(decode).is_err());
    }

    #[test]
    fn arbitrary_headers_never_panic(header in "\\PC{0,60}") {
        let bench = Bench::new(Kind::Server);
        prop_assert!(bench.open(&bench.with_header(header.as_bytes())).and_then(decode).is_err());
    }

    #[test]
    fn arbitrary_payloads_never_panic(payload in proptest::collection::vec(any::<u8>(), 0..100)) {
        let bench = Bench::new(Kind::Server);
        let end = bench.header_end();
        let bytes = bench.with_payload(|bytes| {
            bytes.truncate(end);
            bytes.extend_from_slice(&payload);
        });
        let mut reader = bench.open(&bytes).unwrap();
        let _ = reader.decode::<Vec<(String, Option<Vec<u64>>)>>();
    }

    #[test]
    fn any_flipped_bit_is_noticed(at in any::<proptest::sample::Index>(), bit in 0..8_u32) {
        let bench = Bench::new(Kind::EvaluationKey);
        let mut bytes = bench.bytes.clone();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(bench.open(&bytes).and_then(decode).is_err());
    }

    #[test]
    fn round_trip_is_identity(value in proptest::collection::vec(any::<u64>(), 0..50)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut writer = Writer::create(&path, &Header::new(Kind::Server), Access::Public).unwrap();
        writer.encode(&value).unwrap();
        writer.finish().unwrap();
        prop_assert_eq!(decode(Reader::open(&path).unwrap()).unwrap(), value);
    }
}

fn source() -> Checksum {
    checksum_of(b"one input")
}

fn other_source() -> Checksum {
    checksum_of(b"another input")
}

fn checksum_of(bytes: &[u8]) -> Checksum {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    serde_json::from_value(json!(hex)).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
