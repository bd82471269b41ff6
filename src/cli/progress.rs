//! Progress output during training.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{output::note, table::duration};
use crate::train::{Event, Observer, Row, StepEvent};

/// The interval between plain lines if standard error is not a terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Shows a run's events: a bar on a terminal, plain lines elsewhere, nothing when quiet.
pub(super) struct Progress {
    quiet: bool,
    bar: Option<ProgressBar>,
    epochs: u32,
    judged_on: &'static str,
    /// When this process started, and at which step.
    started: (Instant, u64),
    last_line: Instant,
}

impl Progress {
    pub(super) fn new(quiet: bool) -> Self {
        let terminal = !quiet && std::io::stderr().is_terminal();
        let bar = terminal.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8));
            let style = ProgressStyle::with_template("{prefix}  [{bar:24}] step {pos}/{len}  {msg}");
            bar.set_style(style.expect("the template is valid").progress_chars("=> "));
            bar
        });
        let now = Instant::now();
        Self { quiet, bar, epochs: 0, judged_on: "test", started: (now, 0), last_line: now }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| note(self.quiet, text)),
            None => note(self.quiet, text),
        }
    }

    /// The remaining time at this process's pace.
    fn remaining(&self, step: &StepEvent) -> Option<f64> {
        let done = step.step.checked_sub(self.started.1).filter(|&done| done > 0)?;
        let pace = self.started.0.elapsed().as_secs_f64() / done as f64;
        Some(pace * (step.of - step.step) as f64)
    }

    fn step(&mut self, step: &StepEvent) {
        let news = describe(step, self.remaining(step));
        if let Some(bar) = &self.bar {
            bar.set_prefix(format!("epoch {}/{}", step.epoch, self.epochs));
            bar.set_position(step.step);
            bar.set_message(news);
        } else if self.last_line.elapsed() >= LINE_INTERVAL {
            self.last_line = Instant::now();
            self.line(&format!(
                "epoch {}/{}  step {}/{}  {news}",
                step.epoch, self.epochs, step.step, step.of
            ));
        }
    }
}

/// `loss 0.0432  accuracy 98.61 %  1012 images/s  lr 0.00092  ETA 1 min 32 s`.
fn describe(step: &StepEvent, remaining: Option<f64>) -> String {
    let mut parts = Vec::new();
    parts.extend(step.loss.map(|loss| format!("loss {loss:.4}")));
    parts.extend(step.accuracy.map(|accuracy| format!("accuracy {:.2} %", 100.0 * accuracy)));
    parts.push(format!("{:.0} images/s", step.images_per_second));
    parts.push(format!("lr {:.2e}", step.learning_rate));
    parts.extend(remaining.map(|seconds| format!("ETA {}", duration(seconds))));
    parts.join("  ")
}

fn epoch_line(row: &Row, epochs: u32, judged_on: &str, best: bool, loading: f64) -> String {
    format!(
        "epoch {}/{epochs}  train loss {:.4} accuracy {:.2} %  {judged_on} loss {:.4} accuracy {:.2} %  {:.0} images/s  loading {:.1} %  {}{}",
        row.epoch,
        row.train_loss,
        100.0 * row.train_accuracy,
        row.test_loss,
        100.0 * row.test_accuracy,
        row.images_per_second,
        100.0 * loading,
        duration(row.seconds),
        if best { "  best so far" } else { "" },
    )
}

impl Observer for Progress {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Started { step, of, epochs, judged_on, directory } => {
                (self.epochs, self.judged_on) = (*epochs, judged_on);
                self.started = (Instant::now(), *step);
                self.line(&format!("run       {}", directory.display()));
                if let Some(bar) = &self.bar {
                    bar.set_length(*of);
                    bar.set_position(*step);
                    bar.set_prefix("first step");
                }
            }
            Event::Step(step) => self.step(step),
            Event::Testing { batch, of } => {
                if let Some(bar) = &self.bar {
                    bar.set_message(format!("testing, batch {batch} of {of}"));
                }
            }
            Event::EpochDone { row, best, loading } => {
                self.line(&epoch_line(row, self.epochs, self.judged_on, *best, *loading));
            }
            Event::Saved(_) => {}
            Event::Interrupted(path) => {
                if let Some(bar) = &self.bar {
                    bar.finish_and_clear();
                }
                self.line(&format!("interrupted; the checkpoint is {}", path.display()));
            }
            Event::Finished(_) => {
                if let Some(bar) = &self.bar {
                    bar.finish_and_clear();
                }
            }
        }
    }
}
