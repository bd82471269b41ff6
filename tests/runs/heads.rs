//! Networks with one linear layer go through every command.

use tempfile::tempdir;

use crate::support::command::{fail, succeed, text};

#[test]
fn one_linear_layer_after_the_convolutions() {
    let folder = tempdir().unwrap();
    let path = folder.path();
    let own = ["--recipe", "quick", "--widths", "8,M,16,M", "--hidden", "0"];
    let run = ["--device", "cpu", "--batch-size", "8", "--epochs", "1", "--steps", "3"];
    let train = |dir, more: &[&str]| {
        text(&succeed(path, &[&["train"], &own[..], &run, &["--output-dir", dir], more].concat()).stderr)
    };
    let said = train("celu", &["--activation", "celu", "--celu-alpha", "0.075"]);
    assert!(said.contains("VGG3 with batch norm and its own widths"), "{said}");
    train("relu", &[]);
    let summary = text(&succeed(path, &[&["summary"], &own[..]].concat()).stdout);
    // 16 channels of 7 x 7 pixels to 10 classes.
    assert!(summary.contains("fc1") && summary.contains("7,850") && !summary.contains("fc2"), "{summary}");
    for weights in ["celu/best.safetensors", "relu/best.safetensors"] {
        succeed(path, &["eval", "--device", "cpu", "--weights", weights]);
        let onnx = weights.replace("best.safetensors", "net.onnx");
        succeed(path, &["export", "--weights", weights, "--format", "onnx", "-o", &onnx]);
        let pruned = weights.replace("best", "pruned");
        let prune = ["prune", "--device", "cpu", "--weights", weights, "--amount", "0.5", "--round-to", "1"];
        let said = text(&succeed(path, &[&prune[..], &["-o", &pruned]].concat()).stdout);
        assert!(said.contains("--widths 4,M,8,M --hidden 0"), "{said}");
        assert!(said.contains("nn.Linear(392, 10)"), "{said}");
        succeed(path, &["eval", "--device", "cpu", "--weights", &pruned]);
    }
    let quantize =
        ["quantize", "--device", "cpu", "--weights", "relu/best.safetensors", "-o", "q.safetensors"];
    succeed(path, &quantize);
    succeed(path, &["eval", "--device", "cpu", "--weights", "q.safetensors"]);
    // Another alpha would be another network.
    let other = ["--weights", "celu/best.safetensors", "--activation", "celu", "--output-dir", "other"];
    fail(
        path,
        &[&["train"], &own[..], &run, &other].concat(),
        1,
        &["CELU, alpha 0.075", "--activation celu --celu-alpha 0.075"],
    );
    fail(
        path,
        &[&["summary"], &own[..], &["--dropout", "0.2"]].concat(),
        2,
        &["--dropout", "--hidden above 0"],
    );
}
