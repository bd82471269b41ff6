//! The CPU executor's promises: nothing depends on threads, nothing is allocated on the way.

mod common;

use common::fixture;
use vgg_wgpu::{
    model::VggConfig,
    program::{DeviceLimits, Executor, ExecutorError, Pass},
};

fn config() -> VggConfig {
    VggConfig { image_size: [28, 28], width: 0.25, hidden: Some(136), ..VggConfig::default() }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let trained = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut net = fixture::<f32>(config(), 5, DeviceLimits::NONE);
            net.train(2, 1e-3);
            net.executor.run(Pass::Evaluate).unwrap();
            net.state()
        })
    };
    let alone = trained(1);
    for threads in [2, 5] {
        for (name, values) in trained(threads) {
            let bits = |v: &[f64]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&values), bits(&alone[&name]), "{name} with {threads} threads");
        }
    }
}

/// More threads than there were when the executor was made.
#[test]
fn another_pool_does_as_well() {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let mut net = pool(1).install(|| fixture::<f32>(config(), 5, DeviceLimits::NONE));
    pool(4).install(|| net.train(1, 1e-3));
    let mut again = fixture::<f32>(config(), 5, DeviceLimits::NONE);
    again.train(1, 1e-3);
    assert_eq!(net.state(), again.state());
}

#[test]
fn nothing_is_allocated_after_the_start() {
    let mut net = fixture::<f32>(config(), 3, DeviceLimits::NONE);
    let before = (net.executor.allocations(), net.executor.allocated_bytes());
    assert!(before.0 > 0 && before.1 > 0);
    net.train(2, 1e-3);
    net.executor.run(Pass::Evaluate).unwrap();
    assert_eq!((net.executor.allocations(), net.executor.allocated_bytes()), before);
}

#[test]
fn uploads_of_the_wrong_size_and_to_shared_memory_are_refused() {
    let mut net = fixture::<f32>(config(), 3, DeviceLimits::NONE);
    let loss = net.lowered.inputs.labels;
    let error = net.executor.upload(loss, &[0; 11]).unwrap_err();
    assert!(matches!(error, ExecutorError::Size { expected: 12, found: 11, .. }), "{error}");
    let transient = net.tensor("relu_fc1.output");
    let error = net.executor.upload(transient, &[0; 3 * 136 * 4]).unwrap_err();
    assert!(error.to_string().contains("relu_fc1.output"), "{error}");
    assert!(net.executor.write_scalars(loss, &[0.0; 3]).is_err(), "labels are no scalars");
}

#[test]
fn answers_come_in_the_order_of_the_requests() {
    let mut net = fixture::<f32>(config(), 3, DeviceLimits::NONE);
    let (metrics, labels) = (net.lowered.inputs.metrics, net.lowered.inputs.labels);
    net.executor.request(labels).unwrap();
    net.executor.request(metrics).unwrap();
    net.train(1, 1e-3);
    let labels = net.executor.collect(false).unwrap().unwrap();
    assert_eq!(bytemuck::pod_collect_to_vec::<u8, u32>(&labels), [0, 7, 4]);
    // As they were when they were asked for.
    assert_eq!(net.executor.collect(true).unwrap().unwrap(), [0; 16]);
    assert_eq!(net.executor.collect(true).unwrap(), None);
    let metrics: Vec<f32> = bytemuck::pod_collect_to_vec(&net.executor.read(metrics).unwrap());
    assert_eq!(metrics[2..], [3.0, 0.0]);
    assert!(metrics[0] > 0.0);
}
