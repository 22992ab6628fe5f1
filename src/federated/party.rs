//! Names of parties.

use anyhow::{Result, ensure};

/// The longest name.
const MOST_CHARACTERS: usize = 64;

/// Refuses a name that could not be told, or given with a weight on a command line.
///
/// # Errors
/// If it is such a name.
pub(super) fn check(name: &str) -> Result<()> {
    let fits = (1..=MOST_CHARACTERS).contains(&name.chars().count());
    let plain = !name.chars().any(|letter| letter.is_control() || letter == ',' || letter == '=');
    ensure!(
        fits && plain,
        "'{}' cannot name a party: a name has 1 to {MOST_CHARACTERS} characters, none of them ',', '=' or a \
         control character\nhint: give another with --party",
        name.escape_debug()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_be_told_and_typed() {
        for name in ["a", "Klinikum Süd", "node-7.update", &"x".repeat(64)] {
            assert!(check(name).is_ok(), "{name}");
        }
        for name in ["", "a,b", "a=1", "\u{1b}[31mred", "two\nlines", &"x".repeat(65)] {
            assert!(check(name).is_err(), "{name}");
        }
    }
}
