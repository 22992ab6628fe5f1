//! The one place that writes to stdout and stderr, and shows progress.
//!
//! stdout is data, stderr is talk. The style of talk is decided once, in [`Console::new`].

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fhe_ml::progress::Progress;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::exit::ExitCode;

/// The schema of the JSON objects on stdout.
const REPORT_SCHEMA: u32 = 1;

/// Work shorter than this shows no bar.
const MOMENT: Duration = Duration::from_millis(500);

/// How often progress is told.
const TICK: Duration = Duration::from_millis(500);

/// What the flags say of the output.
#[derive(Clone, Copy)]
pub struct Manners {
    /// `--json`
    pub json: bool,
    /// `--quiet`
    pub quiet: bool,
}

/// The terminal, or what stands in its place.
pub struct Console {
    manners: Manners,
    talk: Talk,
    stages: Mutex<Vec<Stage>>,
}

/// Standard output as a stream of data.
pub struct Stdout(io::BufWriter<io::Stdout>);

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// How progress and messages reach a reader.
enum Talk {
    /// Bars on a terminal, messages above them.
    Bars(MultiProgress),
    /// Messages only: nobody watches.
    Text,
    /// One JSON object a line.
    JsonLines,
    /// Nothing.
    Quiet,
}

/// One piece of long work under way.
struct Stage {
    name: String,
    total: Option<u64>,
    /// Steps of an earlier process.
    skipped: u64,
    /// The others that are done.
    done: u64,
    started: Instant,
    told: Instant,
    bar: Option<ProgressBar>,
}

impl Console {
    /// A console with these manners.
    pub fn new(manners: Manners) -> Self {
        let talk = match manners {
            Manners { quiet: true, .. } => Talk::Quiet,
            Manners { json: true, .. } => Talk::JsonLines,
            Manners { .. } if io::stderr().is_terminal() => {
                Talk::Bars(MultiProgress::with_draw_target(ProgressDrawTarget::stderr()))
            }
            Manners { .. } => Talk::Text,
        };
        Self { manners, talk, stages: Mutex::new(Vec::new()) }
    }

    /// Tells the user something, on stderr.
    pub fn say(&self, message: impl Display) {
        match &self.talk {
            Talk::Bars(bars) => bars.suspend(|| write_stderr(&message)),
            Talk::Text => write_stderr(&message),
            Talk::JsonLines => write_stderr(&json!({ "event": "message", "text": message.to_string() })),
            Talk::Quiet => {}
        }
    }

    /// Gives the result of the command on stdout: `report` under `--json`, else `human`.
    ///
    /// # Errors
    /// If stdout cannot be written to, or `report` is no JSON object.
    pub fn report(&self, report: &impl Serialize, human: impl Display) -> Result<()> {
        if self.manners.json {
            return self.write(format!("{}\n", with_schema(report)?).as_bytes());
        }
        if self.manners.quiet {
            return Ok(());
        }
        self.write(format!("{human}\n").as_bytes())
    }

    /// Standard output, for rows of data.
    pub fn stdout() -> Stdout {
        Stdout(io::BufWriter::new(io::stdout()))
    }

    /// Writes data to stdout as it is.
    ///
    /// # Errors
    /// If stdout cannot be written to.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        let write = || {
            let mut stdout = io::stdout().lock();
            stdout.write_all(bytes)?;
            stdout.flush()
        };
        match &self.talk {
            Talk::Bars(bars) => bars.suspend(write),
            Talk::Text | Talk::JsonLines | Talk::Quiet => write(),
        }
        .context("cannot write to stdout")
    }

    /// Tells why the command failed: the causes on one line, then every hint on its own. Gives the code
    /// to end with.
    pub fn fail(&self, error: &anyhow::Error) -> ExitCode {
        let code = ExitCode::of(error);
        if code == ExitCode::Done {
            return code;
        }
        let (sentence, hints) = explanation(error);
        match &self.talk {
            Talk::JsonLines => write_stderr(&json!({ "event": "error", "text": sentence, "hints": hints })),
            talk @ (Talk::Bars(_) | Talk::Text | Talk::Quiet) => {
                if let Talk::Bars(bars) = talk {
                    // A bar that cannot be cleared does not matter any more.
                    let _ = bars.clear();
                }
                let hints: String = hints.iter().map(|hint| format!("\nhint: {hint}")).collect();
                write_stderr(&format!("error: {sentence}{hints}"));
            }
        }
        code
    }

    fn stages(&self) -> MutexGuard<'_, Vec<Stage>> {
        // A list of stages is whole after a panic elsewhere.
        self.stages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Console {
    fn begin(&self, stage: &str, total: Option<u64>) {
        let bar = match &self.talk {
            Talk::Bars(bars) => Some(bar_after_a_moment(bars, stage, total)),
            Talk::Text | Talk::JsonLines | Talk::Quiet => None,
        };
        let now = Instant::now();
        let stage =
            Stage { name: stage.to_owned(), total, skipped: 0, done: 0, started: now, told: now, bar };
        self.tell(&stage);
        self.stages().push(stage);
    }

    fn skip(&self, steps: u64) {
        let mut stages = self.stages();
        let Some(stage) = stages.last_mut() else { return };
        stage.skipped += steps;
        if let Some(bar) = &stage.bar {
            bar.inc(steps);
            bar.reset_eta();
        }
    }

    fn advance(&self, steps: u64) {
        let mut stages = self.stages();
        let Some(stage) = stages.last_mut() else { return };
        stage.done += steps;
        if let Some(bar) = &stage.bar {
            bar.inc(steps);
        }
        if stage.told.elapsed() >= TICK {
            stage.told = Instant::now();
            self.tell(stage);
        }
    }

    fn end(&self) {
        let Some(stage) = self.stages().pop() else { return };
        if let Some(bar) = &stage.bar {
            bar.finish_and_clear();
        }
        self.tell(&stage);
    }
}

impl Console {
    /// Tells how far a stage is, where that is told in lines.
    fn tell(&self, stage: &Stage) {
        match &self.talk {
            Talk::JsonLines => write_stderr(&stage.to_json()),
            Talk::Bars(_) | Talk::Text | Talk::Quiet => {}
        }
    }
}

impl Stage {
    fn to_json(&self) -> Value {
        let seconds = self.started.elapsed().as_secs_f64();
        let left = self.total.filter(|_| self.done > 0).map(|total| {
            let steps_left = total.saturating_sub(self.skipped + self.done);
            round(seconds / self.done as f64 * steps_left as f64)
        });
        json!({
            "event": "progress",
            "stage": self.name,
            "done": self.skipped + self.done,
            "total": self.total,
            "seconds": round(seconds),
            "seconds_left": left,
        })
    }
}

/// A bar, or a spinner where the number of steps is unknown, that shows up if the work takes longer.
fn bar_after_a_moment(bars: &MultiProgress, stage: &str, total: Option<u64>) -> ProgressBar {
    let bar =
        ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden()).with_message(stage.to_owned());
    let template = match total {
        Some(_) => "{msg} [{bar:30}] {percent}% {eta} left",
        None => "{msg} {spinner} {elapsed}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    let (bars, weak) = (bars.clone(), bar.downgrade());
    thread::spawn(move || {
        thread::sleep(MOMENT);
        if let Some(bar) = weak.upgrade().filter(|bar| !bar.is_finished()) {
            bars.add(bar.clone()).enable_steady_tick(TICK);
        }
    });
    bar
}

fn with_schema(report: &impl Serialize) -> Result<Value> {
    let Value::Object(fields) = serde_json::to_value(report)? else {
        bail!("a report must be a JSON object");
    };
    let schema = ("schema".to_owned(), Value::from(REPORT_SCHEMA));
    Ok(Value::Object(std::iter::once(schema).chain(fields).collect::<Map<_, _>>()))
}

/// The causes as one sentence, and the hints, which errors carry as lines of their own.
fn explanation(error: &anyhow::Error) -> (String, Vec<String>) {
    let mut causes: Vec<String> = Vec::new();
    let mut hints: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = cause.to_string();
        let (hint_lines, lines): (Vec<&str>, Vec<&str>) =
            text.lines().partition(|line| line.starts_with(HINT));
        let cause = lines.join(" ");
        if !cause.is_empty() && causes.last() != Some(&cause) {
            causes.push(cause);
        }
        for hint in hint_lines.iter().filter_map(|line| line.strip_prefix(HINT)) {
            if !hints.iter().any(|known| known == hint) {
                hints.push(hint.to_owned());
            }
        }
    }
    (causes.join(": "), hints)
}

const HINT: &str = "hint: ";

fn round(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

fn write_stderr(line: &impl Display) {
    // If stderr is closed there is nobody left to tell.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_come_on_one_line_and_hints_on_their_own() {
        let error = anyhow::anyhow!("no such file\nhint: make it\nhint: or name another")
            .context("cannot read 'x'\nhint: make it")
            .context("cannot encrypt");
        let (sentence, hints) = explanation(&error);
        assert_eq!(sentence, "cannot encrypt: cannot read 'x': no such file");
        assert_eq!(hints, ["make it", "or name another"]);
    }

    #[test]
    fn a_report_begins_with_its_schema() {
        let text = with_schema(&json!({ "kind": "client" })).unwrap().to_string();
        assert_eq!(text, r#"{"schema":1,"kind":"client"}"#);
        assert!(with_schema(&3).is_err());
    }

    #[test]
    fn stages_nest_and_end_without_a_beginning() {
        let console = Console::new(Manners { json: false, quiet: true });
        console.end();
        console.advance(1);
        console.begin("outer", Some(2));
        console.begin("inner", None);
        console.advance(5);
        console.end();
        console.advance(1);
        assert_eq!(console.stages()[0].done, 1);
        console.end();
        assert!(console.stages().is_empty());
    }
}
