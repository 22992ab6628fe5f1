//! How long work tells what it is doing; who shows it is not its concern.

/// Told of the advance of long work.
pub trait Progress: Sync {
    /// A stage of `total` steps begins, if their number is known.
    fn begin(&self, stage: &str, total: Option<u64>);
    /// So many steps were done before the stage began: they say nothing of its speed.
    fn skip(&self, steps: u64);
    /// That many more steps are done.
    fn advance(&self, steps: u64);
    /// The stage is over.
    fn end(&self);
}

/// Shows nothing.
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _stage: &str, _total: Option<u64>) {}
    fn skip(&self, _steps: u64) {}
    fn advance(&self, _steps: u64) {}
    fn end(&self) {}
}
