use super::*;
use crate::data::DataKind;

fn fails(text: &str) -> String {
    match TrainConfig::parse("recipe test.toml", text) {
        Ok(config) => config.validate().unwrap_err().to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_recipes_have_their_documented_values() {
    let report = TrainConfig::builtin("report").unwrap();
    assert_eq!(report, TrainConfig::default());
    let quick = TrainConfig {
        recipe: "quick".into(),
        image_size: 28,
        width: 0.25,
        hidden: Some(512),
        rotate: 8.0,
        translate: 0.04,
        epochs: 3,
        lr: 0.002,
        lr_scheduler: LrScheduler::Cosine,
        lr_warmup_epochs: 0.5,
        ..TrainConfig::default()
    };
    assert_eq!(TrainConfig::builtin("quick").unwrap(), quick);
    for config in [report, quick] {
        config.validate().unwrap();
        assert_eq!(TrainConfig::parse("again", &config.to_toml()).unwrap(), config);
    }
    let error = TrainConfig::recipe("quik").unwrap_err().to_string();
    assert!(error.contains("there are report, quick, fashion, cifar"), "{error}");
}

/// Text in lines of at most 120 characters, each after `start`.
fn wrapped(start: &str, text: &str) -> String {
    let mut lines = vec![start.to_owned()];
    for word in text.split(' ') {
        let line = lines.last_mut().unwrap();
        if line.len() + 1 + word.len() > 120 {
            lines.push(format!("{start} {word}"));
        } else {
            *line += &format!(" {word}");
        }
    }
    lines.join("\n") + "\n"
}

/// The groups in order, each with its settings.
fn groups() -> Vec<(&'static str, Vec<&'static Setting>)> {
    let mut groups: Vec<(&str, Vec<&Setting>)> = Vec::new();
    for setting in SETTINGS {
        match groups.last_mut().filter(|(group, _)| *group == setting.group) {
            Some((_, settings)) => settings.push(setting),
            None => groups.push((setting.group, vec![setting])),
        }
    }
    groups
}

fn report_toml() -> String {
    let mut text = "# The paper's training: VGG16 at full width on MNIST, resized to 224 px. Meant for a hardware GPU.\n#\n".to_owned();
    text += &wrapped(
        "#",
        "Every key there is, with its default; keys with a # before them are unset. A flag of the same name with dashes \
         (`batch_size` is `--batch-size`; see `vgg train --help`) takes precedence over a key. A recipe of your own needs only \
         the keys that differ: `vgg train --recipe my.toml`.",
    );
    let report = TrainConfig::default();
    for (group, settings) in groups() {
        text += &format!("\n# {} {}\n", "-".repeat(116 - group.len()), group.to_lowercase());
        for setting in settings {
            let value = (setting.get)(&report);
            let default = setting.unset.map_or(String::new(), |unset| format!("default: {unset}"));
            let told = setting.words().iter().all(|word| setting.doc.contains(&format!("`{word}`")));
            let values = if told && !setting.words().is_empty() { String::new() } else { setting.values() };
            let facts = [values, default, setting.needs()];
            text += &format!("\n{}", wrapped("#", &setting.described(facts).replace('`', "")));
            text += &match value {
                Some(toml::Value::Float(value)) => format!("{} = {value:?}\n", setting.key),
                Some(value) => format!("{} = {value}\n", setting.key),
                None => format!("# {} = {}\n", setting.key, setting.value_name()),
            };
        }
    }
    text
}

fn settings_md() -> String {
    let [report, quick] = ["report", "quick"].map(|name| TrainConfig::builtin(name).unwrap());
    let mut text = "# Settings\n\n".to_owned();
    text += "Written by `src/train/config/tests.rs` from the tables in `src/train/config/table.rs` and `src/data/source.rs`.\n\n\
             A setting is a key of a recipe (`batch_size = 64`) and a flag of `vgg train` (`--batch-size 64`), which takes\n\
             precedence. A key that a recipe leaves out has its default, the value of the recipe `report`. A flag without effect\n\
             is refused.\n\n\
             Your own defaults stand in environment variables (`VGG_BATCH_SIZE=32`, `VGG_DEVICE=vulkan`) or in a configuration file,\n\
             `~/.config/vgg-wgpu/config.toml`, with the same keys and also `recipe`, `device` and `tuning` (on Windows in `%APPDATA%`; `VGG_CONFIG`\n\
             names another file, or is `off`). A flag takes precedence over a variable, a variable over the file, and the file over\n\
             the recipe. A default without effect is left out. A resumed run keeps its own settings. `vgg settings` shows every value and where it comes from.\n";
    for (group, settings) in groups() {
        text += &format!(
            "\n## {group}\n\n| setting | values | default | `quick` | what it is |\n|---|---|---|---|---|\n"
        );
        for setting in settings {
            let [default, other] = [&report, &quick].map(|config| setting.value(config));
            let other = if other == default { "" } else { &other };
            let values = if setting.is_switch() { "`true`, `false`".to_owned() } else { setting.values() };
            let doc = setting.described([setting.needs()]);
            text += &format!("| `{}` | {values} | {default} | {other} | {doc} |\n", setting.key);
        }
    }
    text +=
        "\n## Data sets\n\n| `--data` | its directory | classes | mean and deviation |\n|---|---|---|---|\n";
    for kind in DataKind::KINDS {
        let classes = if kind.classes.is_empty() { "from the files" } else { kind.classes };
        let normalization = match kind.mean_std {
            Some([mean, std]) => format!("{mean:?}, {std:?}"),
            None => "measured on the training images".to_owned(),
        };
        text += &format!("| {} | {} | {classes} | {normalization} |\n", kind.forms(), kind.reads);
    }
    text
}

/// The files that the table writes are as it writes them.
#[test]
fn the_written_files_are_up_to_date() {
    for (file, text) in [("assets/recipes/report.toml", report_toml()), ("docs/settings.md", settings_md())] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        if std::env::var_os("VGG_WRITE_SETTINGS").is_some() {
            fs::write(&path, &text).unwrap();
        }
        assert!(
            fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n") == text,
            "{file} is not what the table writes: VGG_WRITE_SETTINGS=1 cargo test --release --lib train::config"
        );
    }
}

/// A recipe inside the program has no key without need, and those after `report` only the ones that differ.
#[test]
fn the_recipes_have_the_keys_that_they_need() {
    let [report, others @ ..] = BUILTIN.map(|(_, text)| text.parse::<toml::Table>().unwrap());
    assert_eq!(report, TrainConfig::default().table());
    for other in others {
        assert!(other.iter().all(|(key, value)| report.get(key) != Some(value)), "{other:?}");
    }
    for (name, _) in BUILTIN {
        TrainConfig::builtin(name).unwrap().validate().unwrap();
    }
}

#[test]
fn every_setting_is_sound() {
    for (at, setting) in SETTINGS.iter().enumerate() {
        let key = setting.key;
        assert!(SETTINGS[..at].iter().all(|other| other.key != key), "{key} twice");
        // A setting that may be unset has a text for that; the others have a value.
        assert_eq!((setting.get)(&TrainConfig::default()).is_none(), setting.unset.is_some(), "{key}");
        let named = setting
            .needs
            .iter()
            .map(|need| need.give.trim_start_matches("--").split([' ', ',']).next().unwrap());
        named.for_each(|flag| assert_eq!(Setting::of(&flag.replace('-', "_")).flag(), format!("--{flag}")));
        assert_eq!(setting.described([]).matches('`').count() % 2, 0, "{key}");
    }
    assert_eq!(Setting::of("opt").values(), "`adam`, `adamw`, `sgd`, `lion`");
    assert_eq!(Setting::of("lr").values(), "1e-12 to 100");
    let parse = |key, text| Setting::of(key).parse(text).map(|value| value.to_string());
    assert_eq!(parse("epochs", "3").as_deref(), Some("3"));
    assert_eq!(parse("lr", ".5").as_deref(), Some("0.5"));
    assert_eq!(parse("weights", "5").as_deref(), Some("\"5\""));
    assert_eq!(parse("lr_milestones", "5").as_deref(), Some("[5]"));
    let wrong = [("epochs", "-1"), ("epochs", "5000000000"), ("lr", "abc"), ("seed", "9223372036854775808")];
    wrong.iter().for_each(|(key, text)| assert_eq!(parse(key, text), None, "{key} {text}"));
}

#[test]
fn unknown_keys_lead_to_the_nearest() {
    for (key, meant) in [
        ("lerning-rate", "lr"),
        ("learning_rate", "lr"),
        ("batchsize", "batch_size"),
        ("batch-size", "batch_size"),
        ("optimizer", "opt"),
        ("lr_shedule", "lr_scheduler"),
        ("epoch", "epochs"),
        ("milestones", "lr_milestones"),
        ("ema", "model_ema"),
    ] {
        let error = fails(&format!("{key} = 1"));
        assert_eq!(error, format!("recipe test.toml: unknown key {key:?}; did you mean {meant:?}?"));
    }
    assert!(fails("xyzzy = 1").contains("the keys are activation, "), "{}", fails("xyzzy = 1"));
    let mut flags = Flags::new();
    flags.insert("epoch".into(), 1.into());
    assert!(TrainConfig::default().with(&flags).unwrap_err().to_string().contains("\"epochs\""));
}

#[test]
fn a_slope_needs_a_leaky_relu() {
    let with = |flags: &str| TrainConfig::default().with(&flags.parse().unwrap());
    assert_eq!(with("activation = \"leaky_relu\"\nnegative_slope = 0.2").unwrap().negative_slope, 0.2);
    let error = with("negative_slope = 0.2").unwrap_err().to_string();
    assert!(
        error.contains("activation is relu") && error.contains("give --activation leaky_relu"),
        "{error}"
    );
    let error = fails("activation = \"leaky_relu\"\nnegative_slope = -0.1");
    assert!(error.contains("negative_slope is -0.1") && error.contains("0 to 1"), "{error}");
}

#[test]
fn a_penalty_on_gamma_needs_batch_norms_that_are_trained() {
    let with = |flags: &str| TrainConfig::default().with(&flags.parse().unwrap());
    assert_eq!(with("bn_l1 = 1e-4").unwrap().training().bn_l1, 1e-4);
    with("bn_l1 = 1e-4\nmodel = \"vgg11\"\nnorm = \"batch\"").unwrap();
    let none = "the network has no batch norm: give --norm batch";
    let frozen = "its batch norms are frozen: give --freeze none";
    for (other, why) in [
        ("model = \"vgg11\"", none),
        ("norm = \"layer\"", none),
        ("norm = \"none\"", none),
        ("weights = \"w.safetensors\"\nfreeze = \"features\"", frozen),
    ] {
        let error = with(&format!("bn_l1 = 1e-4\n{other}")).unwrap_err().to_string();
        assert_eq!(error, format!("--bn-l1 is 0.0001, but {why}, or leave --bn-l1 out"));
    }
}

#[test]
fn text_and_types_that_do_not_fit_are_named_with_their_line() {
    for (text, parts) in [
        ("lr = 1\nbatch_size = -1", ["line 2", "`batch_size = -1`", "-1"]),
        ("epochs = \"three\"", ["line 1", "three", "u32"]),
        ("\nlr = ", ["line 2", "`lr =`", "value"]),
        ("lr_scheduler = \"cosinus\"", ["line 1", "cosinus", "`cosine`"]),
        ("epochs = 1\nepochs = 2", ["line 2", "epochs = 2", "duplicate"]),
    ] {
        let error = fails(text);
        assert!(parts.iter().all(|part| error.contains(part)), "{text:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn values_out_of_range_are_refused_by_name() {
    for bad in [
        "batch_size = 0",
        "batch_size = 70000",
        "epochs = 0",
        "epochs = 4000000000",
        "steps = 0",
        "steps = 5000000000",
        "lr = 0",
        "lr = -0.1",
        "lr = nan",
        "lr = inf",
        "lr = 1e9",
        "weight_decay = -1",
        "weight_decay = nan",
        "bn_l1 = -0.1",
        "bn_l1 = 1.5",
        "bn_l1 = nan",
        "beta1 = 1.0",
        "beta2 = 0.99999999",
        "eps = 0",
        "lr_step_size = 0",
        "momentum = 1",
        "label_smoothing = 1",
        "label_smoothing = -0.1",
        "clip_grad_norm = 0",
        "clip_grad_norm = nan",
        "model_ema_decay = 1",
        "patience = 0",
        "lr_gamma = 0",
        "lr_gamma = 2",
        "lr_warmup_epochs = -1",
        "lr_warmup_epochs = 11",
        "rotate = 181",
        "rotate = nan",
        "translate = 1.5",
        "width = nan",
        "width = 0",
        "width = 1e9",
        "hidden = 65537",
        "dropout = 1",
        "dropout = nan",
        "image_size = 23",
        "image_size = 0",
        "image_size = 100000",
        "recipe = \"../x\"",
        "recipe = \"\"",
        "output_dir = \"\"",
        "data = \"minst\"",
    ] {
        let key = bad.split(" = ").next().unwrap().replace("image_size", "image size");
        let error = fails(bad);
        assert!(error.contains(&key), "{bad}: {error}");
    }
}

#[test]
fn contradictory_values_are_refused() {
    for (text, parts) in [
        ("momentum = 0.5", ["momentum is 0.5", "opt is adam", "--opt sgd"]),
        ("opt = \"adamw\"\nnesterov = true", ["nesterov is true", "opt is adamw", "--opt sgd"]),
        ("opt = \"sgd\"\nnesterov = true\nmomentum = 0", ["nesterov is true", "momentum is 0", "above 0"]),
        ("lr_milestones = [3]", ["lr_milestones is [3]", "lr_scheduler is constant", "multistep"]),
        ("lr_scheduler = \"multistep\"", ["lr_milestones is []", "at least one", "multistep"]),
        (
            "lr_scheduler = \"multistep\"\nlr_milestones = [3, 3]",
            ["lr_milestones is [3, 3]", "greater", "before"],
        ),
        ("lr_scheduler = \"multistep\"\nlr_milestones = [0, 3]", ["[0, 3]", "from 1 on", "epochs"]),
        ("model_ema_decay = 0.5", ["model_ema_decay is 0.5", "model_ema is false", "--model-ema"]),
    ] {
        let error = fails(text);
        assert!(parts.iter().all(|part| error.contains(part)), "{text:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    for text in [
        "opt = \"sgd\"\nnesterov = true",
        "opt = \"sgd\"\nmomentum = 0.0",
        "opt = \"adamw\"\nweight_decay = 0.1",
        "lr_scheduler = \"multistep\"\nlr_milestones = [1, 4]",
        "model_ema = true\nmodel_ema_decay = 0.5",
    ] {
        let config = TrainConfig::parse("recipe test.toml", text).unwrap();
        config.validate().unwrap();
        assert_eq!(TrainConfig::parse("again", &config.to_toml()).unwrap(), config);
    }
}

fn flags(text: &str) -> Flags {
    text.parse().unwrap()
}

#[test]
fn flags_win_and_are_checked() {
    let quick = TrainConfig::builtin("quick").unwrap();
    let config = quick.with(&flags("lr = 1\nsteps = 7\ndata = \"mnist:/tmp\"")).unwrap();
    assert_eq!((config.lr, config.steps, config.image_size), (1.0, Some(7), 28));
    let error = quick.with(&flags("lr_scheduler = \"piecewise\"")).unwrap_err().to_string();
    assert_eq!(error, "lr_points is unset, but must be given with --lr-scheduler piecewise");
    let error =
        quick.with(&flags("lr_scheduler = \"onecycle\"\nlr_warmup_epochs = 1")).unwrap_err().to_string();
    assert_eq!(
        error,
        "lr_warmup_epochs is 1, but must be 0 with onecycle and piecewise, which have a rise of their own"
    );
    let error = quick.with(&flags("epochs = 0")).unwrap_err().to_string();
    assert_eq!(error, "epochs is 0, but must be 1 to 100000");
}

#[test]
fn flags_without_effect_are_refused_and_values_of_a_recipe_are_not() {
    let report = TrainConfig::builtin("report").unwrap();
    let (step, multistep) = ("lr_scheduler = \"step\"\n", "lr_scheduler = \"multistep\"\n");
    for (text, message) in [
        (
            "lr_step_size = 3".to_owned(),
            "--lr-step-size is 3, but lr_scheduler is constant: give --lr-scheduler step, or leave --lr-step-size out",
        ),
        (
            "lr_scheduler = \"cosine\"\nlr_gamma = 0.5".to_owned(),
            "--lr-gamma is 0.5, but lr_scheduler is cosine: give --lr-scheduler step, multistep, exponential or plateau, or leave \
             --lr-gamma out",
        ),
        (
            format!("{multistep}lr_milestones = [5]\nlr_step_size = 2"),
            "--lr-step-size is 2, but lr_scheduler is multistep: give --lr-scheduler step, or leave --lr-step-size out",
        ),
        (
            format!("{multistep}lr_milestones = [5, 10]"),
            "--lr-milestones is [5, 10], but the rate would fall after 10 epochs, and the run has 10: give at least --epochs 11, or leave \
             --lr-milestones out",
        ),
        (
            format!("{step}lr_step_size = 4\nepochs = 3"),
            "--lr-step-size is 4, but the rate would fall after 4 epochs, and the run has 3: give at least --epochs 5, or leave \
             --lr-step-size out",
        ),
        (
            format!("{step}lr_gamma = 0.5\nepochs = 2"),
            "--lr-gamma is 0.5, but the rate would fall after 2 epochs, and the run has 2: give at least --epochs 3, or \
             leave --lr-gamma out",
        ),
        (
            "skip_corrupt = true".to_owned(),
            "--skip-corrupt is true, but data is mnist: give --data folder:DIR, or leave --skip-corrupt out",
        ),
    ] {
        assert_eq!(report.with(&flags(&text)).unwrap_err().to_string(), message);
        // In a recipe they are only idle.
        TrainConfig::parse("recipe test.toml", &text).unwrap().validate().unwrap();
    }
    for text in [
        format!("{multistep}lr_milestones = [5, 9]\nlr_gamma = 0.5"),
        format!("{step}lr_step_size = 2\nlr_gamma = 0.5\nepochs = 3"),
        "skip_corrupt = true\ndata = \"folder:/tmp\"".to_owned(),
    ] {
        report.with(&flags(&text)).unwrap();
    }
}

#[test]
fn flags_unset_what_they_leave_without_effect() {
    let text = "opt = \"sgd\"\nmomentum = 0.8\nnesterov = true\nlr_scheduler = \"multistep\"\nlr_milestones = [3, 8]\n\
                model_ema = true\nmodel_ema_decay = 0.9";
    let recipe = TrainConfig::parse("recipe test.toml", text).unwrap();
    recipe.validate().unwrap();
    assert_eq!(recipe.with(&flags("epochs = 5")).unwrap(), TrainConfig { epochs: 5, ..recipe.clone() });
    let other = "opt = \"adam\"\nlr_scheduler = \"constant\"\nmodel_ema = false";
    assert_eq!(recipe.with(&flags(other)).unwrap(), TrainConfig::default());
    for key in ["momentum = 0.8", "nesterov = true", "lr_milestones = [3]", "model_ema_decay = 0.9"] {
        let error = recipe.with(&flags(&format!("{other}\n{key}"))).unwrap_err().to_string();
        assert!(error.contains(key.split(' ').next().unwrap()), "{key}: {error}");
    }
}

#[test]
fn a_resumed_run_keeps_what_determines_its_numbers() {
    let report = TrainConfig::builtin("report").unwrap();
    let longer = report
        .resumed_with(&flags("epochs = 12\nsteps = 3\npatience = 2\noutput_dir = \"x\"\nlr = 0.001"))
        .unwrap();
    assert_eq!((longer.epochs, longer.steps), (12, Some(3)));
    assert!(report.resumed_with(&flags("data = \"mnist:/elsewhere\"")).is_ok());

    let error = report.resumed_with(&flags("lr = 0.1\nbatch_size = 8\nhidden = 8")).unwrap_err().to_string();
    for part in ["--lr is 0.001, not 0.1", "--batch-size is 64, not 8", "--hidden is unset, not 8"] {
        assert!(error.contains(part), "{error}");
    }
    let quick = TrainConfig::builtin("quick").unwrap();
    assert!(quick.resumed_with(&flags("epochs = 3")).is_ok(), "the same value is no contradiction");
    let error = quick.resumed_with(&flags("epochs = 4")).unwrap_err().to_string();
    let way = "for more of them start from this run's weights: --weights best.safetensors --epochs N";
    assert!(error.contains("--epochs is 3, not 4") && error.contains(way), "{error}");
    let error = quick.resumed_with(&flags("epochs = 3\nlr = 0.1")).unwrap_err().to_string();
    assert!(error.contains("--lr is 0.002, not 0.1") && !error.contains("cosine"), "{error}");
}

#[test]
fn files_are_named_in_errors_and_name_the_recipe() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my own.toml");
    fs::write(&path, "lr = 0.5").unwrap();
    let config = TrainConfig::from_file(&path).unwrap();
    assert_eq!((config.recipe.as_str(), config.lr), ("my-own", 0.5));
    let error = TrainConfig::from_file(&folder.path().join("none.toml")).unwrap_err().to_string();
    assert!(error.starts_with("cannot read recipe") && error.contains("none.toml"), "{error}");
}
