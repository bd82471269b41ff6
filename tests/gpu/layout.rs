//! The structs of WGSL against those of Rust.

use std::mem::offset_of;

use vgg_wgpu::{
    kernels::{Caps, select},
    ops::{Adam, Control, LossScale, ScaleGradient},
};

#[test]
fn control_is_the_same_on_both_sides() {
    let op = Adam { len: 4, ..Adam::DEFAULT }.into();
    let row = select(&op, &Caps::WEBGPU, &[]).unwrap();
    let structs = row.build(&op, &Caps::WEBGPU).dispatches[0].source.reflect().unwrap().structs;
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
        ("range_momentum", offset_of!(Control, range_momentum)),
        ("batch", offset_of!(Control, batch)),
        ("share", offset_of!(Control, share)),
        ("first", offset_of!(Control, first)),
        ("reserved", offset_of!(Control, reserved)),
    ];
    assert_eq!(members, expected);
}

#[test]
fn loss_scale_is_the_same_on_both_sides() {
    let op = ScaleGradient { len: 4 }.into();
    let row = select(&op, &Caps::WEBGPU, &[]).unwrap();
    let structs = row.build(&op, &Caps::WEBGPU).dispatches[0].source.reflect().unwrap().structs;
    let state = structs.iter().find(|s| s.name == "LossScale").expect("the shader declares LossScale");
    assert_eq!(state.size as usize, size_of::<LossScale>());
    let members: Vec<(&str, usize)> =
        state.members.iter().map(|m| (m.name.as_str(), m.offset as usize)).collect();
    let expected = [
        ("scale", offset_of!(LossScale, scale)),
        ("good", offset_of!(LossScale, good)),
        ("unscale", offset_of!(LossScale, unscale)),
        ("skip", offset_of!(LossScale, skip)),
        ("bias_correction1", offset_of!(LossScale, bias_correction1)),
        ("bias_correction2", offset_of!(LossScale, bias_correction2)),
        ("skipped", offset_of!(LossScale, skipped)),
        ("reserved", offset_of!(LossScale, reserved)),
    ];
    assert_eq!(members, expected);
}
