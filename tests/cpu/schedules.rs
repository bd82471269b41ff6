//! `--lr-scheduler plateau` in a run. The schedules themselves are checked in src/train/schedule/tests.rs.

use std::path::Path;

use tempfile::tempdir;
use vgg_wgpu::train::{LrScheduler, TrainConfig};

use crate::support::runs;

/// The rate falls with every epoch that does not lower the test loss enough, also after a stop in an epoch or at its end.
#[test]
fn a_resumed_plateau_equals_an_uninterrupted_one() {
    // So large a rate that the loss does not fall in every epoch.
    let config = |folder: &Path| TrainConfig {
        lr_scheduler: LrScheduler::Plateau,
        lr_patience: 0,
        lr: 0.2,
        epochs: 4,
        ..runs::config(folder)
    };
    let whole = tempdir().unwrap();
    let mut trainer = runs::start(&config(whole.path()));
    runs::finish(&mut trainer);
    let rates: Vec<f64> = trainer.progress().history.iter().map(|row| row.learning_rate).collect();
    assert!(rates[3] < 0.2 && rates[0] == 0.2, "{rates:?}");
    runs::assert_resumed_runs_are_the_same(whole.path(), config, &[50, 72]);
    let folder = tempdir().unwrap();
    runs::finish(&mut runs::start(&TrainConfig { steps: Some(60), ..config(folder.path()) }));
    runs::finish(&mut runs::resume(folder.path(), "steps = 96").unwrap());
    let last = |folder: &Path| runs::tensors(&folder.join("checkpoint.safetensors"));
    assert!(last(whole.path()) == last(folder.path()), "the weights after --steps 60 and --resume");
}
