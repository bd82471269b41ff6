//! The structs of WGSL against those of Rust.

use std::mem::offset_of;

use vgg_wgpu::{
    kernels::{Caps, select},
    ops::{Adam, Control},
    shader::reflect,
};

#[test]
fn control_is_the_same_on_both_sides() {
    let op = Adam { len: 4, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 }.into();
    let row = select(&op, &Caps::WEBGPU, &[]).unwrap();
    let wgsl = (row.build)(&op, &Caps::WEBGPU).dispatches[0].source.assemble();
    let structs = reflect(&wgsl).unwrap().structs;
    let control = structs.iter().find(|s| s.name == "Control").expect("the shader declares Control");
    assert_eq!(control.size as usize, size_of::<Control>());
    let members: Vec<(&str, usize)> =
        control.members.iter().map(|m| (m.name.as_str(), m.offset as usize)).collect();
    let expected = [
        ("step", offset_of!(Control, step)),
        ("seed_low", offset_of!(Control, seed_low)),
        ("seed_high", offset_of!(Control, seed_high)),
        ("valid", offset_of!(Control, valid)),
        ("learning_rate", offset_of!(Control, learning_rate)),
        ("bias_correction1", offset_of!(Control, bias_correction1)),
        ("bias_correction2", offset_of!(Control, bias_correction2)),
        ("reserved", offset_of!(Control, reserved)),
    ];
    assert_eq!(members, expected);
}
