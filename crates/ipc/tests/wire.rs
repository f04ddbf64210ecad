//! The encoder and the decoder are inverse, and nothing that comes in can make the decoder panic.
#![cfg(not(loom))]

use eagleray_ipc::{Decoder, Encoder, WireError};
use proptest::prelude::*;

#[derive(Clone, Debug, PartialEq)]
enum Field {
    U8(u8),
    Bool(bool),
    U16(u16),
    U32(u32),
    U64(u64),
    I64(i64),
    F64(u64),
    Bytes(Vec<u8>),
    Str(String),
    Raw(Vec<u8>),
}

impl Field {
    fn encode(&self, encoder: &mut Encoder) {
        match self {
            Self::U8(value) => encoder.u8(*value),
            Self::Bool(value) => encoder.bool(*value),
            Self::U16(value) => encoder.u16(*value),
            Self::U32(value) => encoder.u32(*value),
            Self::U64(value) => encoder.u64(*value),
            Self::I64(value) => encoder.i64(*value),
            Self::F64(bits) => encoder.f64(f64::from_bits(*bits)),
            Self::Bytes(value) => encoder.bytes(value),
            Self::Str(value) => encoder.str(value),
            Self::Raw(value) => encoder.raw(value),
        };
    }

    /// Reads a field of the same sort (and, if raw, length).
    fn decode(&self, decoder: &mut Decoder<'_>) -> Result<Self, WireError> {
        Ok(match self {
            Self::U8(_) => Self::U8(decoder.u8()?),
            Self::Bool(_) => Self::Bool(decoder.bool()?),
            Self::U16(_) => Self::U16(decoder.u16()?),
            Self::U32(_) => Self::U32(decoder.u32()?),
            Self::U64(_) => Self::U64(decoder.u64()?),
            Self::I64(_) => Self::I64(decoder.i64()?),
            Self::F64(_) => Self::F64(decoder.f64()?.to_bits()),
            Self::Bytes(_) => Self::Bytes(decoder.bytes()?.to_vec()),
            Self::Str(_) => Self::Str(decoder.str()?.to_owned()),
            Self::Raw(value) => Self::Raw(decoder.raw(value.len())?.to_vec()),
        })
    }
}

fn field() -> impl Strategy<Value = Field> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        any::<u8>().prop_map(Field::U8),
        any::<bool>().prop_map(Field::Bool),
        any::<u16>().prop_map(Field::U16),
        any::<u32>().prop_map(Field::U32),
        any::<u64>().prop_map(Field::U64),
        any::<i64>().prop_map(Field::I64),
        any::<u64>().prop_map(Field::F64),
        bytes().prop_map(Field::Bytes),
        bytes().prop_map(|bytes| Field::Str(String::from_utf8_lossy(&bytes).into_owned())),
        bytes().prop_map(Field::Raw),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_was_encoded_is_decoded(fields in prop::collection::vec(field(), 0..20)) {
        let mut encoder = Encoder::new();
        fields.iter().for_each(|field| field.encode(&mut encoder));
        let mut decoder = Decoder::new(encoder.as_slice());
        for field in &fields {
            prop_assert_eq!(&field.decode(&mut decoder).unwrap(), field);
        }
        decoder.finish().unwrap();
        // Every shorter frame is an error somewhere, and names a place inside it.
        for length in 0..encoder.as_slice().len() {
            let mut decoder = Decoder::new(&encoder.as_slice()[..length]);
            let error = fields.iter().find_map(|field| field.decode(&mut decoder).err());
            prop_assert!(error.unwrap().at <= length);
        }
    }

    #[test]
    fn nonsense_is_an_error_and_no_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..80),
        fields in prop::collection::vec(field(), 0..20),
        element_size in 0usize..100,
    ) {
        let mut decoder = Decoder::new(&bytes);
        let mut before = bytes.len();
        for field in &fields {
            let outcome = field.decode(&mut decoder);
            prop_assert!(outcome.is_err() || decoder.remaining().len() <= before);
            before = decoder.remaining().len();
        }
        if let Ok(count) = decoder.count(element_size) {
            prop_assert!(count * element_size.max(1) <= bytes.len());
        }
        prop_assert_eq!(decoder.clone().finish().is_ok(), decoder.remaining().is_empty());
    }
}

#[test]
fn fields_are_little_endian_and_dense() {
    let mut encoder = Encoder::appending_to(vec![0xff]);
    encoder.u8(1).u16(2).u32(3).u64(4).str("é").bool(true);
    let expected = [
        [0xff, 1, 2, 0].as_slice(),
        &[3, 0, 0, 0],
        &[4, 0, 0, 0, 0, 0, 0, 0],
        &[2, 0, 0, 0, 0xc3, 0xa9],
        &[1],
    ];
    assert_eq!(encoder.as_slice(), expected.concat());
    encoder.clear();
    assert_eq!(encoder.into_bytes(), []);
}

#[test]
fn errors_say_what_was_expected_and_where() {
    let mut decoder = Decoder::new(&[5, 2, 9, 9]);
    decoder.u8().unwrap();
    assert_eq!(
        decoder.bool(),
        Err(WireError {
            what: "a boolean",
            at: 1
        })
    );
    let error = decoder.u64().unwrap_err();
    assert_eq!(
        error.to_string(),
        "malformed frame: expected a u64 at byte 2"
    );
    assert_eq!(
        decoder.finish(),
        Err(WireError {
            what: "the end of the frame",
            at: 2
        })
    );
    let mut decoder = Decoder::new(&[2, 0, 0, 0, 0xff, 0xff]);
    assert_eq!(
        decoder.str(),
        Err(WireError {
            what: "UTF-8 text",
            at: 0
        })
    );
}
