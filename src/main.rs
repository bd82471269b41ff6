//! The `vgg` command.

fn main() {}
