//! Runs with several batches a step, and with checkpoints between the ends of epochs.

use std::{path::Path, sync::atomic::AtomicBool};

use tempfile::tempdir;
use vgg_wgpu::train::{Checkpoint, Event, Outcome, TrainConfig};

use crate::support::runs::{assert_same_run, config, finish, interrupt, resume, start};

/// Twenty-four batches an epoch are five steps, the last of four batches.
#[test]
fn a_run_with_several_batches_a_step_is_resumed_bit_for_bit() {
    let whole = tempdir().unwrap();
    let config = |folder: &Path| TrainConfig { grad_accum_steps: 5, ..config(folder) };
    let mut trainer = start(&config(whole.path()));
    let summary = finish(&mut trainer);
    let history = &trainer.progress().history;
    assert_eq!(history.iter().map(|row| row.step).collect::<Vec<_>>(), [5, 10, 15]);
    assert!(history[2].train_loss < history[0].train_loss, "{history:?}");
    // Images of all batches count: 24 of 8, three times.
    assert!(
        (summary.images_per_second * trainer.progress().train_seconds - 576.0).abs() < 1.0,
        "{summary:?}"
    );
    for (step, batch) in [(2, 10), (5, 24), (8, 15)] {
        let folder = tempdir().unwrap();
        let checkpoint = interrupt(
            &mut start(&config(folder.path())),
            |event| matches!(event, Event::Step(s) if s.step == step),
        );
        let progress = Checkpoint::read(&checkpoint).unwrap().progress;
        assert_eq!((progress.step, progress.batch), (step, batch));
        finish(&mut resume(folder.path(), "").unwrap());
        assert_same_run(whole.path(), folder.path());
    }
}

/// Checkpoints between the ends of epochs change nothing, and a killed run loses only the steps since the last.
#[test]
fn checkpoints_every_few_steps_change_nothing() {
    let (whole, often, killed) = (tempdir().unwrap(), tempdir().unwrap(), tempdir().unwrap());
    let every = |folder: &Path| TrainConfig { checkpoint_steps: Some(7), ..config(folder) };
    finish(&mut start(&config(whole.path())));
    let mut saved = Vec::new();
    let mut step = 0;
    let mut trainer = start(&every(often.path()));
    let outcome = trainer.run(&AtomicBool::new(false), &mut |event: &Event<'_>| match event {
        Event::Step(event) => step = event.step,
        Event::Saved(path) => {
            saved.push(step);
            // As a kill would leave it.
            if step == 35 {
                std::fs::copy(path, killed.path().join("checkpoint.safetensors")).unwrap();
            }
        }
        _ => {}
    });
    assert!(matches!(outcome.unwrap(), Outcome::Finished(_)));
    // The ends of epochs are 24, 48 and 72.
    assert_eq!(saved, [7, 14, 21, 24, 28, 35, 42, 48, 49, 56, 63, 70, 72]);
    let state = |folder: &Path| {
        let checkpoint = Checkpoint::read(&folder.join("checkpoint.safetensors")).unwrap();
        checkpoint.parts().map(|(_, values)| values).collect::<Vec<_>>()
    };
    assert_eq!(state(whole.path()), state(often.path()));
    let mut trainer = resume(killed.path(), "").unwrap();
    assert_eq!(trainer.progress().step, 35);
    finish(&mut trainer);
    assert_eq!(state(whole.path()), state(killed.path()));
}
