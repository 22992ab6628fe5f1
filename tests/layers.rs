//! The house rules that the compiler does not know: who imports whom, which room may name which crate.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, and the floor of each: a room imports from lower floors only.
const FLOORS: [(&str, u32); 17] = [
    ("tensor", 0),
    ("progress", 0),
    ("artifact", 1),
    ("crypto", 1),
    ("model", 2),
    ("onnx", 3),
    ("circuit", 4),
    ("compile", 5),
    ("client", 6),
    ("server", 6),
    ("tune", 7),
    ("training", 7),
    ("federated", 7),
    ("hybrid", 7),
    ("cli", 8),
    ("main", 9),
    ("lib", 9),
];

/// Foreign crates, and where alone they may be named.
const OWNERS: [(&str, &str); 16] = [
    ("tfhe", "crypto/"),
    ("tfhe_ntt", "crypto/"),
    ("pulp", "crypto/"),
    ("tract_onnx", "onnx/"),
    ("prost", "onnx/"),
    ("bincode", "artifact/codec.rs"),
    ("tempfile", "artifact/"),
    ("argon2", "artifact/seal.rs"),
    ("chacha20poly1305", "artifact/seal.rs"),
    ("csv", "tensor/"),
    ("npyz", "tensor/"),
    ("safetensors", "tensor/arrays/"),
    ("indicatif", "cli/console.rs"),
    ("signal_hook", "cli/signals.rs"),
    ("clap_complete", "cli/completions.rs"),
    ("clap_mangen", "cli/man.rs"),
];

#[test]
fn rooms_import_only_from_lower_floors() {
    for (path, code) in sources() {
        let room = room_of(&path);
        for other in named_after(&code, "crate::").chain(named_after(&code, "fhe_ml::")) {
            // The root is not a room: what is not on a floor is an item of main.rs.
            let Some(floor) = floor(&other) else { continue };
            let allowed = other == room || floor < floor_of(&room);
            assert!(allowed, "{}: '{room}' must not import from '{other}'", path.display());
        }
        let group = ["crate::{", "fhe_ml::{"].iter().any(|group| code.contains(group));
        assert!(!group, "{}: import from one room on one line", path.display());
    }
}

#[test]
fn foreign_crates_stay_in_their_rooms() {
    for (path, code) in sources() {
        for (name, owner) in OWNERS {
            let allowed = path.to_string_lossy().starts_with(owner);
            assert!(allowed || !names(&code, name), "{}: only {owner} may name '{name}'", path.display());
        }
    }
}

#[test]
fn only_the_console_writes_to_the_terminal() {
    let writers = ["println!", "print!", "dbg!", "io::stdout", "io::stderr"];
    for (path, code) in sources().into_iter().filter(|(path, _)| !path.ends_with("cli/console.rs")) {
        for name in writers {
            assert!(!code.contains(name), "{}: '{name}' is for cli/console.rs", path.display());
        }
    }
}

#[test]
fn the_server_never_names_the_secret_key() {
    let run_by_servers = |path: &Path| path.starts_with("server") || path.ends_with("federated/aggregate.rs");
    for (path, code) in sources().into_iter().filter(|(path, _)| run_by_servers(path)) {
        for name in ["SecretKey", "secret_key"] {
            assert!(!code.contains(name), "{} names '{name}'", path.display());
        }
    }
}

/// The files under `src`, each without its comments and without the tests at its foot.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name == "trial.rs") {
                // What the tests of a room share; not part of the program.
                continue;
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]").next().unwrap();
                let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                let code = lines.collect::<Vec<_>>().join("\n");
                sources.push((path.strip_prefix(&root).unwrap().to_owned(), code));
            }
        }
    }
    assert!(sources.len() > 10);
    sources
}

fn room_of(path: &Path) -> String {
    let first = path.iter().next().unwrap().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

fn floor(room: &str) -> Option<u32> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

fn floor_of(room: &str) -> u32 {
    floor(room).unwrap_or_else(|| panic!("'{room}' has no floor: add it to DESIGN.md and to this test"))
}

/// The identifiers that follow `prefix`.
fn named_after<'a>(code: &'a str, prefix: &'a str) -> impl Iterator<Item = String> + 'a {
    code.match_indices(prefix)
        .map(move |(at, _)| code[at + prefix.len()..].chars().take_while(|&letter| is_word(letter)).collect())
}

/// Whether `code` names the crate `name`, not a word that ends like it.
fn names(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + name.len()..]);
        let begins = !before.ends_with(|letter: char| is_word(letter) || letter == ':' || letter == '.');
        begins && after.starts_with("::")
    })
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}
