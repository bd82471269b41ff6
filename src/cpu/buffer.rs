//! Memory that tensors live in.

use half::f16;

use super::Scalar;
use crate::{dtype::DType, ops::Control};

/// The contents of a slot.
#[derive(Clone, Debug)]
pub(super) enum Buffer<S> {
    Scalars(Vec<S>),
    /// What a GPU stores as f16, and this executor as all other floats: only the border to the host rounds.
    Halves(Vec<S>),
    Words(Vec<u32>),
    Bytes(Vec<u8>),
}

impl<S: Scalar> Buffer<S> {
    pub fn new(dtype: DType, elements: usize) -> Self {
        match dtype {
            DType::F32 => Self::Scalars(vec![S::ZERO; elements]),
            DType::F16 => Self::Halves(vec![S::ZERO; elements]),
            DType::U32 => Self::Words(vec![0; elements]),
            DType::U8 => Self::Bytes(vec![0; elements]),
        }
    }

    pub fn bytes(&self) -> usize {
        match self {
            Self::Scalars(values) | Self::Halves(values) => size_of_val(values.as_slice()),
            Self::Words(values) => size_of_val(values.as_slice()),
            Self::Bytes(values) => values.len(),
        }
    }

    /// Takes the host's bytes.
    pub fn take(&mut self, data: &[u8]) {
        match self {
            Self::Scalars(values) => {
                for (value, bytes) in values.iter_mut().zip(data.as_chunks::<4>().0) {
                    *value = S::of(f32::from_ne_bytes(*bytes).into());
                }
            }
            Self::Halves(values) => {
                for (value, bytes) in values.iter_mut().zip(data.as_chunks::<2>().0) {
                    *value = S::of(f16::from_ne_bytes(*bytes).into());
                }
            }
            Self::Words(words) => {
                for (word, bytes) in words.iter_mut().zip(data.as_chunks::<4>().0) {
                    *word = u32::from_ne_bytes(*bytes);
                }
            }
            Self::Bytes(bytes) => bytes[..data.len()].copy_from_slice(data),
        }
    }

    /// The first elements as the host takes them.
    pub fn give(&self, elements: usize) -> Vec<u8> {
        match self {
            Self::Scalars(values) => {
                values[..elements].iter().flat_map(|v| (v.f64() as f32).to_ne_bytes()).collect()
            }
            Self::Halves(values) => {
                values[..elements].iter().flat_map(|v| f16::from_f64(v.f64()).to_ne_bytes()).collect()
            }
            Self::Words(words) => bytemuck::cast_slice(&words[..elements]).to_vec(),
            Self::Bytes(bytes) => bytes[..elements].to_vec(),
        }
    }
}

/// An argument of a step: part of a buffer.
pub(super) struct Argument<'a, S> {
    pub buffer: &'a mut Buffer<S>,
    pub offset: usize,
    pub len: usize,
}

impl<'a, S: Scalar> Argument<'a, S> {
    pub fn scalars(self) -> &'a mut [S] {
        match self.buffer {
            Buffer::Scalars(values) | Buffer::Halves(values) => &mut values[self.offset..][..self.len],
            _ => unreachable!("the program was validated"),
        }
    }

    pub fn words(self) -> &'a mut [u32] {
        match self.buffer {
            Buffer::Words(values) => &mut values[self.offset..][..self.len],
            _ => unreachable!("the program was validated"),
        }
    }

    pub fn bytes(self) -> &'a mut [u8] {
        match self.buffer {
            Buffer::Bytes(values) => &mut values[self.offset..][..self.len],
            _ => unreachable!("the program was validated"),
        }
    }

    pub fn control(self) -> Control {
        bytemuck::pod_read_unaligned(bytemuck::cast_slice(self.words()))
    }
}
