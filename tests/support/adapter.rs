//! The adapter that GPU tests run on.

use std::io::Write as _;

use vgg_wgpu::gpu::{Adapter, adapters};

/// The first adapter, hardware before software; `None` if the tests are to be skipped.
pub fn adapter() -> Option<Adapter> {
    if std::env::var_os("VGG_SKIP_GPU").is_some_and(|v| v == "1") {
        // Past the test harness, which captures the macros' output.
        let _ = writeln!(std::io::stderr(), "skipped: VGG_SKIP_GPU=1");
        return None;
    }
    let adapter = adapters().into_iter().next();
    assert!(adapter.is_some(), "no adapter: run scripts/test, or set VGG_SKIP_GPU=1 to skip these tests");
    adapter
}
