//! The model card of a folder for the Hugging Face hub.

use std::{fmt::Write as _, fs, path::Path};

use super::{pytorch::pytorch, timm::timm_lacks};
use crate::{
    model::VggConfig,
    train::TrainConfig,
    weights::{ModelInfo, Weights},
};

/// The hub's names of data sets.
const HUB: [(&str, &str); 4] = [
    ("mnist", "ylecun/mnist"),
    ("fashion-mnist", "zalando-datasets/fashion_mnist"),
    ("cifar10", "uoft-cs/cifar10"),
    ("cifar100", "uoft-cs/cifar100"),
];

/// The licences of this program, by the hub's names.
const OWN: [&str; 2] = ["mit", "apache-2.0"];

/// What a model card says about weights besides their network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Card {
    /// The licences, by the hub's names.
    pub licences: Vec<String>,
    /// The data set, without its path.
    pub data: Option<String>,
    /// The result of the weights' epoch.
    pub judged: Option<Judged>,
}

/// A result of an epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The epoch, counted from 1.
    pub epoch: u32,
    /// `test` or `validation`: the images.
    pub on: &'static str,
    /// The fraction of correct answers.
    pub accuracy: f64,
}

impl Card {
    /// What is known of weights: the data set and the result from `config.toml` and `metrics.csv` next to their file, if these are of
    /// the same network and step. Weights that this program trained have its licences, unless others are given; nothing is known
    /// about those of others.
    pub fn of(file: Option<&Path>, weights: &Weights, licence: Option<&str>) -> Self {
        let own = OWN.iter().filter(|_| weights.is_described()).map(|&name| name.to_owned());
        let licences = licence.map_or_else(|| own.collect(), |name| vec![name.to_owned()]);
        let Some(file) = file else {
            return Self { licences, data: Some("mnist".to_owned()), judged: None };
        };
        let sibling = |name| file.with_file_name(name);
        let config = TrainConfig::from_file(&sibling("config.toml")).ok();
        let Some(config) = config.filter(|config| weights.is_described() && trains(config, &weights.info))
        else {
            return Self { licences, ..Self::default() };
        };
        let metrics = fs::read_to_string(sibling("metrics.csv")).unwrap_or_default();
        let on = config.judged_on();
        let judged = weights.steps().and_then(|step| row(&metrics, step, on));
        Self { licences, data: Some(without_path(&config.data)), judged }
    }
}

/// Whether a configuration is that of the network.
fn trains(config: &TrainConfig, info: &ModelInfo) -> bool {
    let configured = config.vgg(info.channels, info.class_names.len());
    info.vgg() == VggConfig { hidden: Some(configured.hidden()), ..configured }
}

/// The line of `metrics.csv` after a step.
fn row(metrics: &str, step: u64, on: &'static str) -> Option<Judged> {
    let mut lines = metrics.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next()?;
    let column = |name: &str| head.iter().position(|head| *head == name);
    let [steps, epochs, accuracies] = [column("step")?, column("epoch")?, column(&format!("{on}_accuracy"))?];
    let line = lines.find(|line| line.get(steps).and_then(|text| text.parse().ok()) == Some(step))?;
    Some(Judged { epoch: line[epochs].parse().ok()?, on, accuracy: line.get(accuracies)?.parse().ok()? })
}

/// A data set without the folder that it is in: `folder:/home/me/pets` becomes `folder:pets`.
fn without_path(data: &str) -> String {
    let Some((kind, path)) = data.split_once(':') else { return data.to_owned() };
    let last = path.rsplit(['/', '\\']).find(|part| !part.is_empty()).filter(|_| kind == "folder");
    last.map_or_else(|| kind.to_owned(), |last| format!("{kind}:{last}"))
}

/// The README.md of the folder.
pub(super) fn text(card: &Card, weights: &Weights) -> String {
    let (network, info) = (&weights.network, &weights.info);
    let lacks = timm_lacks(network);
    let library = if lacks.is_none() { "timm" } else { env!("CARGO_PKG_NAME") };
    let set = card.data.as_deref().map_or(String::new(), |data| format!(" on {data}"));
    let mut text = front_matter(card, library);
    write!(
        text,
        "\n# {}{set}\n\nAn image classifier, exported by {} {}.\n\n{}",
        network.config,
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
        facts(card, weights)
    )
    .expect("a string grows");
    text += "\n## Use\n\n";
    match lacks {
        None => {
            text += "With timm:\n\n```python\nimport timm\n\
                     model = timm.create_model(\"local-dir:.\", pretrained=True)    # this folder; on the hub: \"hf-hub:USER/NAME\"\n\
                     model.eval()\n```\n\n";
        }
        Some(lacks) => {
            writeln!(text, "timm has no VGG with {lacks}.\n").expect("a string grows");
        }
    }
    if let Some(lines) = in_pytorch(weights) {
        write!(text, "With PyTorch alone:\n\n```python\n{lines}model.eval()\n```\n\n")
            .expect("a string grows");
    }
    let [h, w] = info.image_size;
    write!(
        text,
        "Inputs are `[N, {}, {h}, {w}]`: (pixel / 255 - mean) / std, with mean {:?} and std {:?}.\n\n\
         With {} itself, whose preparation of pictures is the training's:\n\n\
         ```sh\nvgg predict --weights model.safetensors PICTURE\n```\n",
        info.channels,
        info.mean,
        info.std,
        env!("CARGO_PKG_NAME"),
    )
    .expect("a string grows");
    text
}

fn front_matter(card: &Card, library: &str) -> String {
    let list = |key: &str, items: &[&str]| {
        let items: String = items.iter().map(|item| format!("- {item}\n")).collect();
        if items.is_empty() { items } else { format!("{key}:\n{items}") }
    };
    let licences: Vec<&str> = card.licences.iter().map(String::as_str).collect();
    let data: Vec<&str> =
        HUB.iter().filter(|(name, _)| card.data.as_deref() == Some(name)).map(|(_, hub)| *hub).collect();
    let timm: &[&str] = if library == "timm" { &["timm"] } else { &[] };
    format!(
        "---\n{}library_name: {library}\npipeline_tag: image-classification\n{}{}---\n",
        list("license", &licences),
        list("tags", &[&["image-classification", "vgg", env!("CARGO_PKG_NAME")], timm].concat()),
        list("datasets", &data),
    )
}

/// What is known, as a list.
fn facts(card: &Card, weights: &Weights) -> String {
    let (network, info) = (&weights.network, &weights.info);
    let names = info.class_names.iter().take(20).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if info.class_names.len() > 20 { ", ..." } else { "" };
    let mut facts = vec![
        ("parameters", network.values().to_string()),
        ("convolutions", format!("{:?}", network.config.blocks())),
        ("classes", format!("{}: {names}{more}", info.class_names.len())),
    ];
    facts.extend(card.data.clone().map(|data| ("data set", data)));
    match (&card.judged, weights.steps()) {
        (Some(Judged { epoch, on, accuracy }), steps) => {
            let steps = steps.map_or(String::new(), |steps| format!(", {steps} steps"));
            facts.push(("trained", format!("epoch {epoch}{steps}")));
            facts.push(("accuracy", format!("{:.2} % on the {on} images", 100.0 * accuracy)));
        }
        (None, Some(steps)) if steps > 0 => facts.push(("trained", format!("{steps} steps"))),
        _ => {}
    }
    facts.into_iter().map(|(name, fact)| format!("- {name}: {fact}\n")).collect()
}

/// The lines that build the network from `torch.nn`'s layers and load this folder's file.
fn in_pytorch(weights: &Weights) -> Option<String> {
    if timm_lacks(&weights.network).is_some() {
        return pytorch(&weights.network, "load_file(\"model.safetensors\")");
    }
    let lines = pytorch(&weights.network, "state")?;
    let (build, load) = lines.split_at(lines.find("model.load_state_dict")?);
    Some(format!(
        "{build}state = load_file(\"model.safetensors\")    # timm's names and shapes\n\
         for timm, own in [(\"pre_logits.fc1\", \"classifier.0\"), (\"pre_logits.fc2\", \"classifier.3\"), (\"head.fc\", \"classifier.6\")]:\n\
         \x20   state[f\"{{own}}.weight\"] = state.pop(f\"{{timm}}.weight\").flatten(1)\n\
         \x20   state[f\"{{own}}.bias\"] = state.pop(f\"{{timm}}.bias\")\n\
         {load}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_has_no_paths_of_the_machine() {
        for (data, public) in [
            ("mnist", "mnist"),
            ("folder:/home/me/pets", "folder:pets"),
            ("folder:C:\\me\\pets\\", "folder:pets"),
            ("cifar10:/data/c", "cifar10"),
        ] {
            assert_eq!(without_path(data), public);
        }
    }

    #[test]
    fn the_result_is_that_of_the_step() {
        let csv = "epoch,step,train_loss,validation_loss,validation_accuracy\n1,10,0.5,0.4,0.9\n2,20,0.4,0.3,0.95\n";
        let found = Judged { epoch: 2, on: "validation", accuracy: 0.95 };
        assert_eq!(row(csv, 20, "validation"), Some(found));
        assert_eq!(
            (row(csv, 15, "validation"), row(csv, 20, "test"), row("", 20, "test")),
            (None, None, None)
        );
    }
}
