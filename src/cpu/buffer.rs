//! The memory of tensors.

use half::f16;

use super::Scalar;
use crate::{dtype::DType, ops::Memory};

/// The contents of a slot.
#[derive(Clone, Debug)]
pub(super) enum Buffer<S> {
    Scalars(Vec<S>),
    /// A GPU stores these as f16; this executor stores them like all other floats and rounds only in transfers to the host.
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

    /// Fills the buffer from the host's bytes.
    pub fn write(&mut self, data: &[u8]) {
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

    /// A part of the buffer.
    pub fn view(&mut self, offset: usize, len: usize) -> Memory<'_, S> {
        match self {
            Self::Scalars(values) | Self::Halves(values) => Memory::Floats(&mut values[offset..][..len]),
            Self::Words(words) => Memory::Words(&mut words[offset..][..len]),
            Self::Bytes(bytes) => Memory::Bytes(&mut bytes[offset..][..len]),
        }
    }

    /// The first `elements` elements as the host's bytes.
    pub fn read(&self, elements: usize) -> Vec<u8> {
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
