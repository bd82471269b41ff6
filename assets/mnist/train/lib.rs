//! MNIST's 60,000 training images and their labels, as published: IDX files, gzipped, by Yann LeCun, Corinna Cortes and Christopher
//! J. C. Burges, under CC BY-SA 3.0.
//!
//! They are a package of their own because 10 MB is the most that a package registry takes; `vgg-wgpu` has the test images and reads
//! both.

#![no_std]

/// 60,000 images of 28 x 28 bytes after a header of 16 bytes, gzipped.
pub static IMAGES: &[u8] = include_bytes!("train-images-idx3-ubyte.gz");

/// 60,000 labels from 0 to 9, a byte each, after a header of 8 bytes, gzipped.
pub static LABELS: &[u8] = include_bytes!("train-labels-idx1-ubyte.gz");
