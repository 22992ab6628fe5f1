//! Interrupts: what is half written goes away, what can be resumed stays.

use anyhow::Result;

/// Watches for SIGINT and SIGTERM from now on; on one, the process ends with 130 or 143.
///
/// # Errors
/// If the handlers cannot be installed.
#[cfg(unix)]
pub fn watch() -> Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
    use signal_hook::iterator::Signals;
    use std::sync::Arc;

    // A file over the size limit is to be a failed write with a message, not the end of the process.
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        if let Some(signal) = signals.forever().next() {
            let _abandoned = fhe_ml::artifact::abandon_pending();
            std::process::exit(128 + signal);
        }
    })?;
    Ok(())
}

/// Other systems end the process as they do.
#[cfg(not(unix))]
pub fn watch() -> Result<()> {
    Ok(())
}
