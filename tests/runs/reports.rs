//! `report.html` and `vgg report`: whole pages that need nothing else, of one run and of several.

use std::{collections::BTreeSet, fs, path::Path};

use crate::support::{
    command::{self, text, words},
    synthetic::{DIGITS, digits},
};

const TINY: &str = "train --device cpu --recipe quick --width 0.0625 --hidden 16 --batch-size 64";

#[track_caller]
fn succeed(folder: &Path, line: &str) -> String {
    text(&command::succeed(folder, &words(line)).stdout)
}

#[track_caller]
fn fail(folder: &Path, line: &str, code: i32, says: &str) {
    command::fail(folder, &words(line), code, &[says]);
}

/// Trains a run in a directory.
#[track_caller]
fn train(folder: &Path, run: &str, flags: &str) -> String {
    succeed(folder, &format!("{TINY} {} --output-dir {run} {flags}", DIGITS.join(" ")))
}

fn page(folder: &Path, path: &str) -> String {
    fs::read_to_string(folder.join(path)).unwrap()
}

/// The attributes of an opening tag, after its name.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = tag.split_once(&format!(" {name}=\""))?;
    Some(after.split_once('"')?.0)
}

/// Checks what holds for every page: tags nest, one h1 and headings in order, a size for phones, both colour schemes, nothing from
/// outside, a name for every picture and table header, and for every line of a chart an entry in its section's legend.
#[track_caller]
fn check(page: &str) {
    assert!(page.starts_with("<!doctype html>\n<html lang=\"en\">") && page.ends_with("</html>\n"));
    let (mut open, mut headings, mut at) = (Vec::new(), Vec::new(), page.find("<html").unwrap());
    let void = ["meta", "img", "br"];
    while let Some(start) = page[at..].find('<').map(|start| at + start) {
        let rest = &page[start..];
        if rest.starts_with("<!--") {
            at = start + rest.find("-->").expect("comments end");
            continue;
        }
        let end = start + rest.find('>').expect("tags end");
        let tag = &page[start + 1..end];
        at = end;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{}", &page[start.saturating_sub(200)..end]);
            continue;
        }
        let name = tag.split([' ', '/']).next().unwrap();
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        if name.len() == 2 && name.starts_with('h') && name != "hr" {
            headings.push(name[1..].parse::<usize>().unwrap());
        }
        match name {
            "img" => assert!(attribute(tag, "alt").is_some_and(|alt| !alt.is_empty()), "{tag}"),
            "th" => assert!(matches!(attribute(tag, "scope"), Some("col" | "row")), "{tag}"),
            "svg" => assert!(
                attribute(tag, "aria-hidden") == Some("true")
                    || attribute(tag, "role") == Some("img") && attribute(tag, "aria-label").is_some(),
                "{tag}"
            ),
            _ => {}
        }
        if !tag.ends_with('/') && !void.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
    assert_eq!((headings[0], headings.iter().filter(|&&level| level == 1).count()), (1, 1), "one title");
    assert!(headings.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{headings:?}");
    assert!(page.contains("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"));
    assert!(
        page.contains("color-scheme: light dark") && page.contains("@media (prefers-color-scheme: dark)")
    );
    for from_outside in ["<script", "<link", "src=\"http", "href=\"http", "url(", "@import", "NaN"] {
        assert!(!page.contains(from_outside), "{from_outside}");
    }
    for section in page.split("<section>").skip(1) {
        let between = |from: &str, to: &str| -> BTreeSet<String> {
            section.split(from).skip(1).map(|after| after.split(to).next().unwrap().to_owned()).collect()
        };
        // Every line of a chart has a title, and so its class; every entry of a legend is a line of that class with that name.
        let lines: BTreeSet<[String; 2]> = section
            .split("<path class=\"")
            .skip(1)
            .filter(|path| path.starts_with("line ") && path.split("</").next().unwrap().contains("<title>"))
            .map(|path| {
                let name = path.split("<title>").nth(1).unwrap().split('<').next().unwrap();
                [path.split('"').next().unwrap(), name].map(str::to_owned)
            })
            .collect();
        let legend: BTreeSet<[String; 2]> = between("<li>", "</li>")
            .iter()
            .map(|item| {
                let class = item.split("<path class=\"").nth(1).unwrap().split('"').next().unwrap();
                [class, item.rsplit("</svg>").next().unwrap()].map(str::to_owned)
            })
            .collect();
        assert_eq!(lines, legend);
    }
}

fn headings(page: &str) -> Vec<&str> {
    page.split("<h2>").skip(1).map(|after| after.split("</h2>").next().unwrap()).collect()
}

fn captions(page: &str) -> Vec<&str> {
    page.split("<figure class=\"chart\"><figcaption>")
        .skip(1)
        .map(|text| text.split(" <").next().unwrap())
        .collect()
}

#[test]
fn a_run_ends_with_a_page_that_needs_nothing_else() {
    let folder = digits();
    let here = folder.path();
    let shown = train(here, "run", "--epochs 2 --steps 130 --tensorboard");
    assert!(shown.contains("report     run/report.html"), "{shown}");
    let first = page(here, "run/report.html");
    check(&first);
    let all = [
        "Curves",
        "Confusion matrix",
        "Classes",
        "The 25 test images with the highest loss",
        "Layers over time",
        "Filters of the first layer",
        "Parameters",
        "Configuration",
    ];
    assert_eq!(headings(&first), all);
    let [by_epoch, by_step] = [["Loss", "Accuracy, %"], ["Training loss", "Learning rate"]];
    assert_eq!(captions(&first)[..4], [by_epoch, by_step].concat());
    assert_eq!(captions(&first).len(), 4 + 4);
    // The hardest images, and eight filters.
    assert_eq!(first.matches("<img src=\"data:image/png;base64,").count(), 25 + 8);
    assert!(first.contains("<th scope=\"row\">conv5_3</th>"));
    assert!(first.contains("<th scope=\"row\">features.41.running_var</th>"));
    assert!(!first.contains("paper ("), "other data than the paper's");
    let names = fs::read_dir(here.join("run")).unwrap();
    let names: Vec<String> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names.iter().filter(|name| name.starts_with("events.out.tfevents.")).count(), 1, "{names:?}");

    // From the files alone the page is the same, without the data and whatever the device.
    fs::remove_dir_all(here.join("digits")).unwrap();
    assert_eq!(succeed(here, "report run"), "report     run/report.html\n");
    assert_eq!(page(here, "run/report.html"), first);
    // Elsewhere too, and from the checkpoint.
    succeed(here, "report run/checkpoint.safetensors --output other.html");
    assert_eq!(page(here, "other.html"), first);
    // Without the earlier page nobody has classified the test images.
    fs::remove_file(here.join("run/report.html")).unwrap();
    succeed(here, "report run");
    let anew = page(here, "run/report.html");
    check(&anew);
    assert!(headings(&anew).contains(&"Test images") && !headings(&anew).contains(&"Classes"));
    assert!(
        anew.contains("vgg eval --weights run/checkpoint.safetensors --data idx:digits measures"),
        "{anew}"
    );
}

/// A page of earlier weights says nothing about these.
#[test]
fn a_page_of_other_weights_is_not_taken_over() {
    let folder = digits();
    let here = folder.path();
    train(here, "run", "--steps 4");
    let old = page(here, "run/report.html");
    succeed(here, &format!("train --device cpu --resume run --steps 8 {}", DIGITS.join(" ")));
    fs::write(here.join("run/report.html"), old).unwrap();
    succeed(here, "report run");
    assert!(headings(&page(here, "run/report.html")).contains(&"Test images"));
}

#[test]
fn runs_are_compared_on_one_page() {
    let folder = digits();
    let here = folder.path();
    train(here, "a", "--steps 30");
    train(here, "b", "--steps 30 --lr 1e-3 --label-smoothing 0.1");
    assert_eq!(succeed(here, "report a b"), "report     comparison.html\n");
    let both = page(here, "comparison.html");
    check(&both);
    assert!(both.contains("<h1>2 runs compared</h1>"));
    assert_eq!(headings(&both), ["Results", "Settings that differ", "Curves by epoch", "Curves by step"]);
    assert_eq!(
        captions(&both),
        [
            "Test loss",
            "Test accuracy, %",
            "Training loss",
            "Training accuracy, %",
            "Training loss",
            "Learning rate"
        ]
    );
    let settings =
        both.split("<h2>Settings that differ</h2>").nth(1).unwrap().split("</section>").next().unwrap();
    let rows: Vec<&str> =
        settings.split("<th scope=\"row\">").skip(1).map(|r| r.split('<').next().unwrap()).collect();
    assert_eq!(rows, ["label_smoothing", "lr"]);
    assert!(settings.contains("<td>0.002</td><td>0.001</td>"), "{settings}");
    assert!(!both.contains("not comparable") && both.contains("class=\"best\""));

    // Two that differ by their seed only have a mean.
    assert!(!both.contains("deviation"), "{both}");
    train(here, "e", "--steps 30 --seed 5");
    succeed(here, "report a e --output seeds.html");
    let seeds = page(here, "seeds.html");
    check(&seeds);
    let accuracy = |run: &str| {
        let csv = fs::read_to_string(here.join(run).join("metrics.csv")).unwrap();
        let names: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
        let at = names.iter().position(|name| *name == "test_accuracy").unwrap();
        100.0 * csv.lines().last().unwrap().split(',').nth(at).unwrap().parse::<f64>().unwrap()
    };
    let mean = (accuracy("a") + accuracy("e")) / 2.0;
    assert!(
        seeds.contains("over 2 seeds") && seeds.contains(&format!("test accuracy {mean:.2} &plusmn;")),
        "{mean} in {seeds}"
    );

    // A third one with other data: those of the paper, and its layers.
    succeed(here, &format!("{TINY} --steps 2 --output-dir c"));
    let paper = "<th scope=\"col\">paper (epoch 10, full width, 224 px)</th>";
    assert!(page(here, "c/report.html").contains(paper));
    succeed(here, "report a b c --output three.html");
    let three = page(here, "three.html");
    check(&three);
    assert!(three.contains("These runs were trained on different data sets"), "{three}");
}

/// A checkpoint of an older version has no record of the steps, and one of a run that was stopped early no epoch.
#[test]
fn runs_without_steps_or_epochs_are_reported() {
    let folder = digits();
    let here = folder.path();
    train(here, "run", "--steps 12");
    let checkpoint = here.join("run/checkpoint.safetensors");
    let whole = fs::read(&checkpoint).unwrap();
    // Of the same length, so that the tensors stay where they are: an unknown table is ignored.
    let without = |table: &str, other: &str| {
        let at = whole.windows(table.len()).position(|bytes| bytes == table.as_bytes()).unwrap();
        let mut bytes = whole.clone();
        bytes[at..at + table.len()].copy_from_slice(other.as_bytes());
        fs::write(&checkpoint, bytes).unwrap();
    };
    without("[progress.steps]", "[progress.stepz]");
    succeed(here, "report run --output old.html");
    let old = page(here, "old.html");
    check(&old);
    assert!(old.contains("no record of its steps") && captions(&old).contains(&"Learning rate"));
    without("[[progress.history]]", "[[progress.historz]]");
    succeed(here, "report run --output young.html");
    let young = page(here, "young.html");
    check(&young);
    assert!(young.contains("No epoch is complete yet."));
}

#[test]
fn what_cannot_be_reported_is_refused() {
    let folder = digits();
    let here = folder.path();
    train(here, "run", "--steps 2");
    fs::create_dir(here.join("empty")).unwrap();
    fs::create_dir(here.join("seeds")).unwrap();
    fs::write(here.join("seeds/seeds.csv"), "seed").unwrap();
    fs::create_dir(here.join("begun")).unwrap();
    fs::copy(here.join("run/config.toml"), here.join("begun/config.toml")).unwrap();
    let checkpoint = fs::read(here.join("run/checkpoint.safetensors")).unwrap();
    fs::create_dir(here.join("torn")).unwrap();
    fs::write(here.join("torn/checkpoint.safetensors"), &checkpoint[..checkpoint.len() / 2]).unwrap();
    fs::write(here.join("notes.html"), "<!doctype html><p>mine").unwrap();
    for (line, code, says) in [
        ("report", 2, "RUN"),
        ("report none", 1, "there is no none; name the directory of a run"),
        ("report empty", 1, "empty is not the directory of a run: it has no checkpoint.safetensors"),
        ("report seeds", 1, "name them, as in vgg report seeds/seed-*"),
        ("report begun", 1, "begun has a config.toml, but no checkpoint.safetensors"),
        ("report torn", 1, "torn/checkpoint.safetensors"),
        ("report run torn", 1, "torn/checkpoint.safetensors"),
        ("report run/config.toml", 1, "run/config.toml"),
        ("report run/best.safetensors", 1, "run/best.safetensors"),
        ("report run run/checkpoint.safetensors", 2, "named twice"),
        ("report run --output notes.html", 1, "notes.html exists and is not a page of this version of vgg"),
        ("report run --output empty", 1, "empty is a directory"),
        ("report run --output nowhere/a.html", 1, "choose another path with --output FILE"),
    ] {
        fail(here, line, code, says);
    }
    assert_eq!(page(here, "notes.html"), "<!doctype html><p>mine");
    assert!(!here.join("comparison.html").exists());
}
