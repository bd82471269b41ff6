//! The operands of an operation: declared once, as the fields of a struct.
//!
//! The struct is generic over a [`Family`], which determines the types of its fields: extents ([`Each<Extent>`]) in the
//! operation's declaration, views of tensors in lowering, slices ([`Slices`]) on the CPU, test data in the checks. The names
//! of the fields are the names of the shader's bindings.

use std::marker::PhantomData;

use super::Control;
use crate::{dtype::DType, shape::Shape};

/// How an operation accesses an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only read.
    Read,
    /// Every element is overwritten; the previous contents do not matter.
    Write,
    /// Read and updated in place, or written in part.
    ReadWrite,
}

/// One named tensor argument of an operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Operand {
    /// The name of the field, and of the shader's binding.
    pub name: &'static str,
    /// The extents.
    pub shape: Shape,
    /// The element type.
    pub dtype: DType,
    /// How it is accessed.
    pub access: Access,
}

impl Operand {
    /// The size in bytes.
    pub fn bytes(&self) -> u64 {
        self.shape.elements() as u64 * self.dtype.bytes() as u64
    }
}

/// An operation's declaration of an operand, in addition to its kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Extent {
    shape: Shape,
    /// The element type, if it is an attribute of the operation.
    dtype: Option<DType>,
    /// Whether an operand that is written keeps some of its contents.
    updated: bool,
}

impl<T: Into<Shape>> From<T> for Extent {
    fn from(shape: T) -> Self {
        Self { shape: shape.into(), dtype: None, updated: false }
    }
}

impl Extent {
    /// A result that is added to the contents (`accumulate`) or replaces them.
    pub fn result(shape: impl Into<Shape>, accumulate: bool) -> Self {
        Self { updated: accumulate, ..shape.into().into() }
    }

    /// With an element type that is an attribute of the operation.
    pub fn of(self, dtype: DType) -> Self {
        Self { dtype: Some(dtype), ..self }
    }

    /// The control block's.
    pub(super) fn control() -> Self {
        [Control::WORDS].into()
    }
}

/// The memory of an argument on the CPU.
pub enum Memory<'a, S> {
    /// Floats of any size.
    Floats(&'a mut [S]),
    /// Words.
    Words(&'a mut [u32]),
    /// Bytes.
    Bytes(&'a mut [u8]),
}

/// Test data of an operand.
pub trait Sample {
    /// Data made of normal values, as many as the operand has elements; not all types need them.
    fn of(normal: Vec<f32>) -> Self;
    /// The values, if they are floats.
    fn floats(&self) -> &[f32] {
        unreachable!("only floats are stored as f16")
    }
    /// The bytes of the values.
    fn bytes(&self) -> Vec<u8>;
}

impl Sample for Vec<f32> {
    fn of(normal: Vec<f32>) -> Self {
        normal
    }

    fn floats(&self) -> &[f32] {
        self
    }

    fn bytes(&self) -> Vec<u8> {
        bytemuck::cast_slice(self).to_vec()
    }
}

/// Zeros: their meaning depends on the operation.
impl Sample for Vec<u32> {
    fn of(normal: Vec<f32>) -> Self {
        vec![0; normal.len()]
    }

    fn bytes(&self) -> Vec<u8> {
        bytemuck::cast_slice(self).to_vec()
    }
}

/// Pixels.
impl Sample for Vec<u8> {
    fn of(normal: Vec<f32>) -> Self {
        normal.iter().map(|&v| (v * 70.0 + 100.0).clamp(0.0, 255.0) as u8).collect()
    }

    fn bytes(&self) -> Vec<u8> {
        self.clone()
    }
}

/// A late step.
impl Sample for Control {
    fn of(_: Vec<f32>) -> Self {
        Self {
            step: 7,
            batch: 9,
            seed_low: 0xdead_beef,
            seed_high: 42,
            valid: 1,
            learning_rate: 1e-3,
            bias_correction1: 0.521_703_1,
            bias_correction2: 0.006_979_035,
            ..Self::default()
        }
    }

    fn bytes(&self) -> Vec<u8> {
        bytemuck::bytes_of(self).to_vec()
    }
}

/// The elements of an operand.
pub trait Element: 'static {
    /// The type; f32 if it may be stored as f16.
    const DTYPE: DType;
    /// Whether mixed precision stores it as f16.
    const STORED: bool = false;
    /// A read-only argument on the CPU.
    type Shared<'a, S: 'a>;
    /// A writable argument on the CPU.
    type Unique<'a, S: 'a>;
    /// Test data.
    type Owned: Sample;

    /// A read-only argument.
    fn shared<S>(memory: Memory<'_, S>) -> Self::Shared<'_, S>;
    /// A writable argument.
    fn unique<S>(memory: Memory<'_, S>) -> Self::Unique<'_, S>;
}

macro_rules! element {
    ($(#[$doc:meta])* $name:ident: $dtype:ident, stored: $stored:literal, $memory:ident($item:ty), $owned:ty) => {
        $(#[$doc])*
        pub struct $name;

        impl Element for $name {
            const DTYPE: DType = DType::$dtype;
            const STORED: bool = $stored;
            type Shared<'a, S: 'a> = &'a [$item];
            type Unique<'a, S: 'a> = &'a mut [$item];
            type Owned = Vec<$owned>;

            fn shared<S>(memory: Memory<'_, S>) -> Self::Shared<'_, S> {
                Self::unique(memory)
            }

            fn unique<S>(memory: Memory<'_, S>) -> Self::Unique<'_, S> {
                match memory {
                    Memory::$memory(elements) => elements,
                    _ => unreachable!("the program was validated"),
                }
            }
        }
    };
}

element! {
    /// f32, in every precision: vectors, statistics, the parameters that the optimiser trains.
    F32: F32, stored: false, Floats(S), f32
}
element! {
    /// f32, or f16 in mixed precision: activations, their gradients, and the weights that products read.
    Stored: F32, stored: true, Floats(S), f32
}
element! {
    /// Words.
    U32: U32, stored: false, Words(u32), u32
}
element! {
    /// Bytes.
    U8: U8, stored: false, Bytes(u8), u8
}

/// The control block, [`Control`].
pub struct ControlBlock;

impl Element for ControlBlock {
    const DTYPE: DType = DType::U32;
    type Shared<'a, S: 'a> = &'a Control;
    type Unique<'a, S: 'a> = &'a mut Control;
    type Owned = Control;

    fn shared<S>(memory: Memory<'_, S>) -> Self::Shared<'_, S> {
        Self::unique(memory)
    }

    fn unique<S>(memory: Memory<'_, S>) -> Self::Unique<'_, S> {
        bytemuck::from_bytes_mut(bytemuck::cast_slice_mut(U32::unique(memory)))
    }
}

/// An operand that is only read.
pub struct Read<E>(PhantomData<E>);
/// An operand that is overwritten, or updated if its [`Extent`] says so.
pub struct Write<E>(PhantomData<E>);
/// An operand that is updated in place.
pub struct Update<E>(PhantomData<E>);

/// The kind of an operand, from its field's type: its access and its elements.
pub trait Kind: 'static {
    /// How it is accessed.
    const ACCESS: Access;
    /// Its elements.
    type Element: Element;
    /// Such an argument on the CPU.
    type Slice<'a, S: 'a>;

    /// Such an argument on the CPU.
    fn slice<S>(memory: Memory<'_, S>) -> Self::Slice<'_, S>;
}

/// The types of the fields of operands.
pub trait Family {
    /// The type for an operand of a kind.
    type Of<K: Kind>;
}

/// The same type in every field.
pub struct Each<T>(PhantomData<T>);

impl<T> Family for Each<T> {
    type Of<K: Kind> = T;
}

/// The arguments of an operation on the CPU; floats are `S`.
pub struct Slices<'a, S>(PhantomData<&'a mut S>);

impl<'a, S: 'a> Family for Slices<'a, S> {
    type Of<K: Kind> = K::Slice<'a, S>;
}

/// Test data, each operand's in its own type.
pub struct Owned;

impl Family for Owned {
    type Of<K: Kind> = <K::Element as Element>::Owned;
}

/// Visits the fields of operands in order.
pub trait Visitor<F: Family> {
    /// Visits a present field.
    fn visit<K: Kind>(&mut self, name: &'static str, value: F::Of<K>);
}

/// Fills the fields of operands in order.
pub trait Source<F: Family> {
    /// Whether an optional operand is present.
    fn has(&self, name: &'static str) -> bool;
    /// The value of a field.
    fn take<K: Kind>(&mut self, name: &'static str) -> F::Of<K>;
}

/// The type of a field in the declaration of operands: a [`Kind`], or `Option` of one.
pub trait Field {
    /// The field in a family.
    type In<F: Family>;

    /// The field filled from a source.
    fn fill<F: Family>(name: &'static str, source: &mut impl Source<F>) -> Self::In<F>;
    /// The field shown to a visitor.
    fn show<F: Family>(name: &'static str, value: Self::In<F>, visitor: &mut impl Visitor<F>);
}

macro_rules! kind {
    ($kind:ident, $access:ident, $slice:ident, $method:ident) => {
        impl<E: Element> Kind for $kind<E> {
            const ACCESS: Access = Access::$access;
            type Element = E;
            type Slice<'a, S: 'a> = E::$slice<'a, S>;

            fn slice<S>(memory: Memory<'_, S>) -> Self::Slice<'_, S> {
                E::$method(memory)
            }
        }

        impl<E: Element> Field for $kind<E> {
            type In<F: Family> = F::Of<Self>;

            fn fill<F: Family>(name: &'static str, source: &mut impl Source<F>) -> Self::In<F> {
                source.take::<Self>(name)
            }

            fn show<F: Family>(name: &'static str, value: Self::In<F>, visitor: &mut impl Visitor<F>) {
                visitor.visit::<Self>(name, value);
            }
        }
    };
}

kind!(Read, Read, Shared, shared);
kind!(Write, Write, Unique, unique);
kind!(Update, ReadWrite, Unique, unique);

impl<K: Kind> Field for Option<K> {
    type In<F: Family> = Option<F::Of<K>>;

    fn fill<F: Family>(name: &'static str, source: &mut impl Source<F>) -> Self::In<F> {
        source.has(name).then(|| source.take::<K>(name))
    }

    fn show<F: Family>(name: &'static str, value: Self::In<F>, visitor: &mut impl Visitor<F>) {
        if let Some(value) = value {
            visitor.visit::<K>(name, value);
        }
    }
}

/// A struct that `operands!` declared.
pub trait Operands<F: Family>: Sized {
    /// The struct filled from a source.
    fn fill(source: &mut impl Source<F>) -> Self;
    /// The fields shown to a visitor.
    fn show(self, visitor: &mut impl Visitor<F>);
}

/// Declares the operands of an operation, in the order in which a step lists its arguments.
macro_rules! operands {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $kind:ty),* $(,)? }) => {
        $(#[$doc])*
        #[allow(missing_docs, reason = "the operation's own documentation describes them")]
        pub struct $name<F: $crate::ops::Family> {
            $(pub $field: <$kind as $crate::ops::Field>::In<F>,)*
        }

        impl<F: $crate::ops::Family> $crate::ops::Operands<F> for $name<F> {
            fn fill(source: &mut impl $crate::ops::Source<F>) -> Self {
                Self { $($field: <$kind as $crate::ops::Field>::fill(stringify!($field), source),)* }
            }

            fn show(self, visitor: &mut impl $crate::ops::Visitor<F>) {
                $(<$kind as $crate::ops::Field>::show(stringify!($field), self.$field, visitor);)*
            }
        }
    };
}
pub(super) use operands;

/// The present fields, with their names.
pub fn list<T>(operands: impl Operands<Each<T>>) -> Vec<(&'static str, T)> {
    struct List<T>(Vec<(&'static str, T)>);
    impl<T> Visitor<Each<T>> for List<T> {
        fn visit<K: Kind>(&mut self, name: &'static str, value: T) {
            self.0.push((name, value));
        }
    }
    let mut list = List(Vec::new());
    operands.show(&mut list);
    list.0
}

/// Operands with the fields in `all`, each created by `make`.
pub fn each<T, O: Operands<Each<T>>>(all: &[Operand], make: impl FnMut(&Operand) -> T) -> O {
    struct Make<'a, M>(std::slice::Iter<'a, Operand>, M);
    impl<T, M: FnMut(&Operand) -> T> Source<Each<T>> for Make<'_, M> {
        fn has(&self, name: &'static str) -> bool {
            self.0.as_slice().first().is_some_and(|operand| operand.name == name)
        }

        fn take<K: Kind>(&mut self, _: &'static str) -> T {
            let operand = self.0.next().expect("operands that this operation declared");
            self.1(operand)
        }
    }
    O::fill(&mut Make(all.iter(), make))
}

/// The operands that an operation declares.
pub(super) fn declared(extents: impl Operands<Each<Extent>>, storage: DType) -> Vec<Operand> {
    struct Declared(Vec<Operand>, DType);
    impl Visitor<Each<Extent>> for Declared {
        fn visit<K: Kind>(&mut self, name: &'static str, Extent { shape, dtype, updated }: Extent) {
            let of_kind = if K::Element::STORED { self.1 } else { K::Element::DTYPE };
            let access = match K::ACCESS {
                Access::Write if updated => Access::ReadWrite,
                access => access,
            };
            self.0.push(Operand { name, shape, dtype: dtype.unwrap_or(of_kind), access });
        }
    }
    let mut declared = Declared(Vec::new(), storage);
    extents.show(&mut declared);
    declared.0
}
