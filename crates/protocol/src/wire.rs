//! The binary form of everything in this crate: fields in order, little endian, lengths as `u32`.

use eagleray_ipc::wire::{Decoder, Encoder, WireError};
use eagleray_object_store::Extent;

use crate::ObjectId;

/// Bytes that are reserved for a list at most before its elements were read, because its count may be a lie.
const RESERVED_MAX: usize = 64 << 10;

/// Something with a binary form. Reading checks everything and never panics.
pub trait Wire: Sized {
    /// Appends the binary form.
    fn put(&self, encoder: &mut Encoder);
    /// Reads the binary form.
    fn take(decoder: &mut Decoder<'_>) -> Result<Self, WireError>;
}

/// The binary form of `message`.
pub fn encode<T: Wire>(message: &T) -> Vec<u8> {
    let mut encoder = Encoder::new();
    message.put(&mut encoder);
    encoder.into_bytes()
}

/// Reads a whole message; bytes left over are an error.
pub fn decode<T: Wire>(bytes: &[u8]) -> Result<T, WireError> {
    let mut decoder = Decoder::new(bytes);
    let message = T::take(&mut decoder)?;
    decoder.finish()?;
    Ok(message)
}

/// An error about what was just read.
pub(crate) fn malformed(what: &'static str, decoder: &Decoder<'_>) -> WireError {
    WireError {
        what,
        at: decoder.position(),
    }
}

macro_rules! primitive {
    ($($type:ident),*) => {$(
        impl Wire for $type {
            fn put(&self, encoder: &mut Encoder) {
                encoder.$type(*self);
            }
            fn take(decoder: &mut Decoder<'_>) -> Result<Self, WireError> {
                decoder.$type()
            }
        }
    )*};
}
primitive!(u8, u32, u64, f64);

impl Wire for bool {
    fn put(&self, encoder: &mut Encoder) {
        encoder.u8(u8::from(*self));
    }
    fn take(decoder: &mut Decoder<'_>) -> Result<Self, WireError> {
        Ok(decoder.u8()? != 0)
    }
}

impl Wire for i64 {
    fn put(&self, encoder: &mut Encoder) {
        encoder.u64(self.cast_unsigned());
    }
    fn take(decoder: &mut Decoder<'_>) -> Result<Self, WireError> {
        Ok(decoder.u64()?.cast_signed())
    }
}

impl Wire for String {
    fn put(&self, encoder: &mut Encoder) {
        encoder.str(self);
    }
    fn take(decoder: &mut Decoder<'_>) -> Result<Self, WireError> {
        Ok(decoder.str()?.to_owned())
    }
}

impl Wire for Box<[u8]> {
    fn put(&self, encoder: &mut Encoder) {
        encoder.bytes(self);
    }
    fn take(decoder: &mut Decoder<'_>) -> Result<Self, WireError> {
        Ok(decoder.bytes()?.into())
    }
}

impl Wire for [u8; 16] {
    fn put(&self, encoder: &mut Encoder) {
        encoder.u64(u64::from_le_bytes(
            self[0..8].try_into().unwrap_or_default(),
        ));
        encoder.u64(u64::from_le_bytes(
            self[8..16].try_into().unwrap_or_default(),
        ));
    }
    fn take(decoder: &mut Decoder<'_>) -> Result<Self, WireError> {
        let mut bytes = [0; 16];
        bytes[0..8].copy_from_slice(&decoder.u64()?.to_le_bytes());
        bytes[8..16].copy_from_slice(&decoder.u64()?.to_le_bytes());
        Ok(bytes)
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, encoder: &mut Encoder) {
        encoder.u8(u8::from(self.is_some()));
        if let Some(value) = self {
            value.put(encoder);
        }
    }
    fn take(decoder: &mut Decoder<'_>) -> Result<Self, WireError> {
        Ok(if decoder.u8()? != 0 {
            Some(T::take(decoder)?)
        } else {
            None
        })
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, encoder: &mut Encoder) {
        encoder.u32(self.len() as u32);
        for item in self {
            item.put(encoder);
        }
    }
    fn take(decoder: &mut Decoder<'_>) -> Result<Self, WireError> {
        // An element has at least one byte, so a count above the bytes that are left ends here.
        let count = decoder.count(1)?;
        // An element may be far larger in memory than on its way, so the bytes that are left are no bound for what is
        // reserved: a longer list grows with what is really read.
        let reserved_max = RESERVED_MAX / size_of::<T>().max(1);
        let mut items = Self::with_capacity(count.min(reserved_max));
        for _ in 0..count {
            items.push(T::take(decoder)?);
        }
        Ok(items)
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, encoder: &mut Encoder) {
        self.0.put(encoder);
        self.1.put(encoder);
    }
    fn take(decoder: &mut Decoder<'_>) -> Result<Self, WireError> {
        Ok((A::take(decoder)?, B::take(decoder)?))
    }
}

impl Wire for ObjectId {
    fn put(&self, encoder: &mut Encoder) {
        self.to_bytes().put(encoder);
    }
    fn take(decoder: &mut Decoder<'_>) -> Result<Self, WireError> {
        Ok(Self::from_bytes(<[u8; 16]>::take(decoder)?))
    }
}

impl Wire for Extent {
    fn put(&self, encoder: &mut Encoder) {
        encoder.u64(self.offset);
        encoder.u64(self.length);
    }
    fn take(decoder: &mut Decoder<'_>) -> Result<Self, WireError> {
        Ok(Self {
            offset: decoder.u64()?,
            length: decoder.u64()?,
        })
    }
}

/// Declares structs with documented fields together with their binary form.
macro_rules! wire_struct {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident : $type:ty),* $(,)? }) => {
        $(#[$meta])*
        pub struct $name { $($(#[$field_meta])* pub $field: $type),* }
        impl $crate::Wire for $name {
            fn put(&self, encoder: &mut eagleray_ipc::wire::Encoder) {
                $($crate::Wire::put(&self.$field, encoder);)*
            }
            fn take(decoder: &mut eagleray_ipc::wire::Decoder<'_>) -> Result<Self, eagleray_ipc::wire::WireError> {
                Ok(Self { $($field: $crate::Wire::take(decoder)?),* })
            }
        }
        #[cfg(test)]
        impl $crate::round_trips::Sample for $name {
            fn sample(random: &mut $crate::round_trips::Random) -> Self {
                Self { $($field: $crate::round_trips::Sample::sample(random)),* }
            }
        }
    };
}

/// Declares an enum of messages, each with a tag, together with its binary form.
macro_rules! wire_enum {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$variant_meta:meta])* $tag:literal => $variant:ident { $($(#[$field_meta:meta])* $field:ident : $type:ty),* $(,)? }),* $(,)? }) => {
        $(#[$meta])*
        pub enum $name { $($(#[$variant_meta])* $variant { $($(#[$field_meta])* $field: $type),* }),* }
        impl $crate::Wire for $name {
            fn put(&self, encoder: &mut eagleray_ipc::wire::Encoder) {
                match self { $(Self::$variant { $($field),* } => {
                    encoder.u8($tag);
                    $($crate::Wire::put($field, encoder);)*
                })* }
            }
            fn take(decoder: &mut eagleray_ipc::wire::Decoder<'_>) -> Result<Self, eagleray_ipc::wire::WireError> {
                match decoder.u8()? {
                    $($tag => Ok(Self::$variant { $($field: $crate::Wire::take(decoder)?),* }),)*
                    _ => Err($crate::wire::malformed(concat!("tag of ", stringify!($name)), decoder)),
                }
            }
        }
        #[cfg(test)]
        impl $crate::round_trips::Variants for $name {
            fn variants(random: &mut $crate::round_trips::Random) -> Vec<Self> {
                vec![$(Self::$variant { $($field: $crate::round_trips::Sample::sample(random)),* }),*]
            }
        }
    };
}

pub(crate) use {wire_enum, wire_struct};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_longer_than_what_is_reserved_arrive_whole() {
        for length in [0, 1, RESERVED_MAX / 8 - 1, RESERVED_MAX / 8 + 1, 100_000] {
            let list: Vec<u64> = (0..length as u64).collect();
            assert_eq!(decode::<Vec<u64>>(&encode(&list)), Ok(list));
        }
    }

    #[test]
    fn a_list_that_is_shorter_than_its_count_is_refused() {
        for count in [3, 1 << 20, u32::MAX] {
            let mut bytes = encode(&vec![1u64, 2]);
            bytes[..4].copy_from_slice(&count.to_le_bytes());
            assert!(decode::<Vec<u64>>(&bytes).is_err(), "{count}");
        }
    }
}
