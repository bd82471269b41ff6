//! Every schedule against PyTorch's figures.

use super::*;

fn assert_rates(config: &TrainConfig, steps_per_epoch: u64, expected: &[f64]) {
    let schedule = Schedule::new(config, steps_per_epoch);
    for (index, expected) in expected.iter().enumerate() {
        let rate = schedule.rate(index as u64 + 1);
        // PyTorch computes the cosine recursively, with a few roundings per step; the rates here are below 1e-2.
        let error = (rate - expected).abs();
        assert!(error <= 1e-15, "step {}: {rate}, expected {expected}", index + 1);
    }
}

// The expected values are those of PyTorch 2.15, printed before each `optimizer.step(); scheduler.step()`:
//     optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)

/// `StepLR(optimizer, 2, 0.1)`, one step per epoch.
#[test]
fn step_is_pytorchs() {
    let config = TrainConfig { lr_scheduler: LrScheduler::Step, ..TrainConfig::default() };
    let rates = [0.001, 0.001, 0.0001, 0.0001, 1e-05, 1e-05, 1.0000000000000002e-06];
    assert_rates(&config, 1, &rates);
    let thrice: Vec<f64> = rates.iter().flat_map(|&rate| [rate; 3]).collect();
    assert_rates(&config, 3, &thrice);
}

/// `CosineAnnealingLR(optimizer, T_max=10)`: here 2 epochs of 5 steps.
#[test]
fn cosine_is_pytorchs() {
    let config = TrainConfig { lr_scheduler: LrScheduler::Cosine, epochs: 2, ..TrainConfig::default() };
    let rates = [
        0.001,
        0.0009755282581475768,
        0.0009045084971874736,
        0.0007938926261462366,
        0.0006545084971874737,
        0.0005,
        0.00034549150281252633,
        0.0002061073738537635,
        9.549150281252634e-05,
        2.4471741852423235e-05,
    ];
    assert_rates(&config, 5, &rates);
    let schedule = Schedule::new(&config, 5);
    assert_eq!((schedule.rate(11), schedule.rate(u64::MAX)), (0.0, 0.0));
}

/// `SequentialLR(optimizer, [LinearLR(optimizer, start_factor=0.25, total_iters=3),
/// CosineAnnealingLR(optimizer, T_max=6)], milestones=[3])`: 3 epochs of 3 steps, the first of them warm-up.
#[test]
fn warmup_and_cosine_are_pytorchs() {
    let config = TrainConfig {
        lr_scheduler: LrScheduler::Cosine,
        epochs: 3,
        lr_warmup_epochs: 1.0,
        ..TrainConfig::default()
    };
    let rates = [
        0.00025,
        0.0005,
        0.00075,
        0.001,
        0.0009330127018922195,
        0.0007500000000000001,
        0.0005,
        0.0002500000000000001,
        6.698729810778065e-05,
        0.0,
    ];
    assert_rates(&config, 3, &rates);
}

/// `ChainedScheduler([LinearLR(optimizer, start_factor=0.25, total_iters=3), StepLR(optimizer, 2, 0.1)])`.
#[test]
fn warmup_multiplies_the_others() {
    let config =
        TrainConfig { lr_scheduler: LrScheduler::Step, lr_warmup_epochs: 3.0, ..TrainConfig::default() };
    assert_rates(&config, 1, &[0.00025, 0.0005, 0.000075, 0.0001, 0.00001]);
    let config = TrainConfig { lr_warmup_epochs: 0.5, ..TrainConfig::default() };
    // Half an epoch of 6 steps.
    assert_rates(&config, 6, &[0.00025, 0.0005, 0.00075, 0.001, 0.001]);
}

/// `ExponentialLR(optimizer, 0.5)`, one step per epoch, here of three steps.
#[test]
fn exponential_is_pytorchs() {
    let config =
        TrainConfig { lr_scheduler: LrScheduler::Exponential, lr_gamma: 0.5, ..TrainConfig::default() };
    let rates: Vec<f64> = [0.001, 0.0005, 0.00025, 0.000125].iter().flat_map(|&rate| [rate; 3]).collect();
    assert_rates(&config, 3, &rates);
}

/// `PolynomialLR(optimizer, 8, 2.0)`; and `SequentialLR` of `LinearLR(optimizer, start_factor=0.25, total_iters=3)` and
/// `PolynomialLR(optimizer, 6, 1.0)`, from step 3.
#[test]
fn polynomial_is_pytorchs() {
    let config = TrainConfig {
        lr_scheduler: LrScheduler::Polynomial,
        lr_power: 2.0,
        epochs: 2,
        ..TrainConfig::default()
    };
    let rates = [
        0.001,
        0.000765625,
        0.0005625,
        0.000390625,
        0.00025000000000000006,
        0.00014062500000000004,
        6.250000000000001e-05,
        1.5625000000000004e-05,
        0.0,
        0.0,
    ];
    assert_rates(&config, 4, &rates);
    let config = TrainConfig { lr_power: 1.0, epochs: 3, lr_warmup_epochs: 1.0, ..config };
    let rates = [
        0.00025,
        0.0005,
        0.00075,
        0.001,
        0.0008333333333333334,
        0.0006666666666666668,
        0.0005,
        0.0003333333333333334,
        0.00016666666666666663,
    ];
    assert_rates(&config, 3, &rates);
}

/// `CosineAnnealingWarmRestarts(optimizer, 4, 2)` and `(optimizer, 3, 1)`.
#[test]
fn restarts_are_pytorchs() {
    let config = TrainConfig {
        lr_scheduler: LrScheduler::Restarts,
        lr_restart_epochs: 2,
        lr_restart_factor: 2,
        ..TrainConfig::default()
    };
    let rates = [
        0.001,
        0.0008535533905932737,
        0.0005,
        0.00014644660940672628,
        0.001,
        0.0009619397662556434,
        0.0008535533905932737,
        0.000691341716182545,
        0.0005,
        0.0003086582838174551,
        0.00014644660940672628,
        3.806023374435663e-05,
        0.001,
        0.0009903926402016153,
    ];
    assert_rates(&config, 2, &rates);
    let config = TrainConfig { lr_restart_epochs: 1, lr_restart_factor: 1, ..config };
    let rates = [0.001, 0.00075, 0.0002500000000000001, 0.001, 0.00075, 0.0002500000000000001, 0.001];
    assert_rates(&config, 3, &rates);
}

/// `OneCycleLR(optimizer, 1e-3, total_steps=10, cycle_momentum=False)`; and of 8 steps with `pct_start=0.5`.
#[test]
fn one_cycle_is_pytorchs() {
    let config = TrainConfig { lr_scheduler: LrScheduler::Onecycle, epochs: 2, ..TrainConfig::default() };
    let rates = [
        3.9999999999999996e-05,
        0.0005200000000000001,
        0.001,
        0.0009504846320134736,
        0.000811745653949763,
        0.0006112620219362892,
        0.00038874197806371076,
        0.00018825834605023698,
        4.9519367986526286e-05,
        4e-09,
    ];
    assert_rates(&config, 5, &rates);
    let config = TrainConfig { lr_rise: 0.5, ..config };
    let rates = [
        3.9999999999999996e-05,
        0.00028,
        0.0007599999999999999,
        0.001,
        0.0008535539763797113,
        0.0005000019999999999,
        0.00014645002362028865,
        4e-09,
    ];
    assert_rates(&config, 4, &rates);
}

/// `LambdaLR(optimizer, lambda step: numpy.interp(step / 4, [0, 0.5, 2, 3], [0.2, 1, 0.5, 0]))`.
#[test]
fn piecewise_is_numpys_interpolation() {
    let config = TrainConfig {
        lr_scheduler: LrScheduler::Piecewise,
        lr_points: Some("0:0.2,0.5:1,2:0.5,3:0".parse().unwrap()),
        ..TrainConfig::default()
    };
    let rates = [
        0.0002,
        0.0006000000000000001,
        0.001,
        0.0009166666666666666,
        0.0008333333333333334,
        0.00075,
        0.0006666666666666668,
        0.0005833333333333334,
        0.0005,
        0.000375,
        0.00025,
        0.000125,
        0.0,
        0.0,
    ];
    assert_rates(&config, 4, &rates);
}

/// `SequentialLR` of `LinearLR(optimizer, start_factor=1/3, total_iters=2)`, the constant rate from step 2, and
/// `LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=4)` from step 6.
#[test]
fn warmup_stable_decay_is_pytorchs() {
    let config = TrainConfig {
        lr_scheduler: LrScheduler::Wsd,
        epochs: 5,
        lr_warmup_epochs: 1.0,
        lr_decay_epochs: Some(2.0),
        ..TrainConfig::default()
    };
    let rates = [
        0.0003333333333333333,
        0.0006666666666666666,
        0.001,
        0.001,
        0.001,
        0.001,
        0.001,
        0.00075,
        0.0005000000000000001,
        0.00025000000000000006,
    ];
    assert_rates(&config, 2, &rates);
    // Unset, the decay is a fifth of all epochs.
    let config = TrainConfig { lr_decay_epochs: None, lr_warmup_epochs: 0.0, ..config };
    assert_rates(&config, 2, &[[1e-3; 9].as_slice(), &[0.0005]].concat());
}

/// `ReduceLROnPlateau(optimizer, "min", factor=0.5, patience=1)`, and with `patience=0`.
#[test]
fn plateau_is_pytorchs() {
    let losses = [1.0, 0.9, 0.95, 0.91, 0.89999, 0.9, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6];
    let patient =
        [0.001, 0.001, 0.001, 0.001, 0.0005, 0.0005, 0.00025, 0.00025, 0.00025, 0.000125, 0.000125, 6.25e-05];
    let impatient = [
        0.001,
        0.001,
        0.001,
        0.0005,
        0.00025,
        0.000125,
        6.25e-05,
        6.25e-05,
        3.125e-05,
        1.5625e-05,
        7.8125e-06,
        3.90625e-06,
    ];
    for (lr_patience, rates) in [(1, patient), (0, impatient)] {
        let lr_scheduler = LrScheduler::Plateau;
        let config = TrainConfig { lr_scheduler, lr_patience, lr_gamma: 0.5, ..TrainConfig::default() };
        let mut schedule = Schedule::new(&config, 3);
        let row = |(index, test_loss): (usize, &f64)| Row {
            epoch: index as u32 + 1,
            step: 3 * (index as u64 + 1),
            train_loss: 0.0,
            train_accuracy: 0.0,
            test_loss: *test_loss,
            test_accuracy: 0.0,
            learning_rate: 0.0,
            images_per_second: 0.0,
            seconds: 0.0,
            sparsity: 0.0,
        };
        let mut history: Vec<Row> = losses.iter().enumerate().map(row).collect();
        for (epoch, expected) in rates.into_iter().enumerate() {
            schedule.observe(&history[..epoch]);
            assert_eq!(
                schedule.rate(3 * epoch as u64 + 1),
                expected,
                "epoch {epoch}, patience {lr_patience}"
            );
        }
        // An epoch cut short does not count.
        history[4].step -= 1;
        schedule.observe(&history[..5]);
        assert_eq!(schedule.rate(13), rates[4]);
    }
}

#[test]
fn extremes_stay_finite() {
    for lr_scheduler in [
        LrScheduler::Cosine,
        LrScheduler::Exponential,
        LrScheduler::Polynomial,
        LrScheduler::Restarts,
        LrScheduler::Onecycle,
        LrScheduler::Wsd,
        LrScheduler::Plateau,
    ] {
        for (epochs, lr_warmup_epochs, steps_per_epoch) in [(100_000, 1e5, 60_000), (1, 0.0, 1), (1, 1.0, 1)]
        {
            for (lr_rise, lr_restart_factor) in [(0.0, 1), (1.0, 1000)] {
                let config = TrainConfig {
                    lr_scheduler,
                    epochs,
                    lr_warmup_epochs,
                    lr_rise,
                    lr_restart_factor,
                    ..TrainConfig::default()
                };
                let schedule = Schedule::new(&config, steps_per_epoch);
                for step in [0, 1, 2, 6_000_000_000, u64::MAX] {
                    let rate = schedule.rate(step);
                    assert!((0.0..=1e-3).contains(&rate), "{lr_scheduler:?}, step {step}: {rate}");
                }
            }
        }
    }
}
