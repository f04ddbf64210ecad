//! Every message there is, with random contents: what is written reads back, and nothing that can
//! arrive makes the reader panic.
//!
//! The macros that declare messages also list them here, so a new message is tested the day it is
//! declared.

use std::fmt::Debug;

use eagleray_object_store::Extent;

use crate::{
    ActorState, FromRaylet, Nested, NestedKind, ObjectId, Outcome, Payload, Status, SystemError,
    ToRaylet, Wire, decode, encode,
};

/// A small reproducible generator (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// A type of which random values can be made.
pub(crate) trait Sample {
    fn sample(random: &mut Random) -> Self;
}

/// A type of which one random value for each of its variants can be made.
pub(crate) trait Variants: Sized {
    fn variants(random: &mut Random) -> Vec<Self>;
}

macro_rules! sampled {
    ($($type:ty => |$random:ident| $make:expr;)*) => {$(
        impl Sample for $type {
            fn sample($random: &mut Random) -> Self {
                $make
            }
        }
    )*};
}

sampled! {
    u8 => |random| random.next() as u8;
    u32 => |random| random.next() as u32;
    u64 => |random| random.next();
    i64 => |random| random.next().cast_signed();
    f64 => |random| random.next().cast_signed() as f64 / 1024.0;
    bool => |random| random.below(2) == 1;
    String => |random| (0..random.below(6)).map(|_| ['a', 'ß', '🦅', '\0'][random.below(4) as usize]).collect();
    Box<[u8]> => |random| (0..random.below(20)).map(|_| random.next() as u8).collect();
    [u8; 16] => |random| std::array::from_fn(|_| random.next() as u8);
    ObjectId => |random| Self { owner: Sample::sample(random), node: Sample::sample(random), sequence: random.next() };
    Extent => |random| Self { offset: random.next(), length: random.next() };
    Nested => |random| Self {
        kind: if random.below(2) == 0 { NestedKind::Ref } else { NestedKind::Actor },
        id: Sample::sample(random),
    };
    Outcome => |random| Self {
        status: Status::from_byte(random.below(5) as u8).expect("there are five"),
        payload: Sample::sample(random),
    };
    SystemError => |random| Self {
        kind: Sample::sample(random),
        message: Sample::sample(random),
        details: Sample::sample(random),
        cause: Sample::sample(random),
        on_purpose: Sample::sample(random),
    };
    ActorState => |random| {
        let mut all = Self::variants(random);
        all.swap_remove(random.below(all.len() as u64) as usize)
    };
}

impl Sample for Payload {
    fn sample(random: &mut Random) -> Self {
        let extents: Vec<Extent> = Sample::sample(random);
        let nested: Vec<Nested> = Sample::sample(random);
        Self {
            meta: Sample::sample(random),
            // An envelope in an extent without an extent is refused, as the last test says.
            meta_in_extent: !extents.is_empty() && random.below(2) == 1,
            extents: extents.into(),
            nested: nested.into(),
        }
    }
}

impl<T: Sample> Sample for Option<T> {
    fn sample(random: &mut Random) -> Self {
        (random.below(2) == 1).then(|| T::sample(random))
    }
}

impl<T: Sample> Sample for Vec<T> {
    fn sample(random: &mut Random) -> Self {
        (0..random.below(4)).map(|_| T::sample(random)).collect()
    }
}

impl<A: Sample, B: Sample> Sample for (A, B) {
    fn sample(random: &mut Random) -> Self {
        (A::sample(random), B::sample(random))
    }
}

/// Calls `check` with many values of every message of a type.
fn for_every_message<T: Variants>(seed: u64, mut check: impl FnMut(&T, &mut Random)) {
    let mut random = Random(seed);
    for _ in 0..100 {
        for message in T::variants(&mut random) {
            check(&message, &mut random);
        }
    }
}

fn reads_back<T: Variants + Wire + Debug>() {
    for_every_message::<T>(1, |message, _| {
        let bytes = encode(message);
        let read: T = decode(&bytes).expect("what was written");
        assert_eq!(format!("{read:?}"), format!("{message:?}"));
        assert_eq!(encode(&read), bytes);
    });
}

fn refuses_every_part<T: Variants + Wire + Debug>() {
    for_every_message::<T>(2, |message, _| {
        let mut bytes = encode(message);
        for length in 0..bytes.len() {
            assert!(
                decode::<T>(&bytes[..length]).is_err(),
                "the first {length} bytes of {message:?}"
            );
        }
        bytes.push(0);
        assert!(decode::<T>(&bytes).is_err(), "a byte after {message:?}");
    });
}

fn survives_changed_bytes<T: Variants + Wire + Debug>() {
    for_every_message::<T>(3, |message, random| {
        let mut bytes = encode(message);
        for _ in 0..8 {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = random.next() as u8;
            // Whatever it has become: what is read writes the same message again.
            if let Ok(read) = decode::<T>(&bytes) {
                let again: T = decode(&encode(&read)).expect("what was written");
                assert_eq!(format!("{again:?}"), format!("{read:?}"));
            }
        }
    });
}

fn survives_noise<T: Wire>() {
    let mut random = Random(4);
    for _ in 0..20_000 {
        let noise: Vec<u8> = (0..random.below(64)).map(|_| random.next() as u8).collect();
        // Only that it returns matters here: noise may be a message by chance.
        drop(decode::<T>(&noise));
    }
}

#[test]
fn every_message_reads_back() {
    reads_back::<ToRaylet>();
    reads_back::<FromRaylet>();
    reads_back::<ActorState>();
}

#[test]
fn no_part_of_a_message_is_a_message() {
    refuses_every_part::<ToRaylet>();
    refuses_every_part::<FromRaylet>();
    refuses_every_part::<ActorState>();
}

#[test]
fn changed_bytes_and_noise_never_panic() {
    survives_changed_bytes::<ToRaylet>();
    survives_changed_bytes::<FromRaylet>();
    survives_noise::<ToRaylet>();
    survives_noise::<FromRaylet>();
    survives_noise::<Payload>();
    survives_noise::<SystemError>();
}

#[test]
fn tags_are_unique() {
    fn tags<T: Variants + Wire>() -> Vec<u8> {
        let mut tags: Vec<u8> = T::variants(&mut Random(5))
            .iter()
            .map(|message| encode(message)[0])
            .collect();
        tags.sort_unstable();
        tags
    }
    for tags in [
        tags::<ToRaylet>(),
        tags::<FromRaylet>(),
        tags::<ActorState>(),
    ] {
        assert!(tags.windows(2).all(|pair| pair[0] < pair[1]), "{tags:?}");
    }
}

#[test]
fn a_hostile_count_is_refused_where_it_stands() {
    // Four thousand million extents are announced, and none follows. What that reserves is `tests/hostile-counts.rs`'s.
    let error = decode::<Vec<Extent>>(&u32::MAX.to_le_bytes()).expect_err("nothing follows");
    assert_eq!(error.at, 0);
}

#[test]
fn an_envelope_in_an_extent_needs_the_extent() {
    let payload = Payload {
        meta_in_extent: true,
        ..Payload::default()
    };
    assert!(decode::<Payload>(&encode(&payload)).is_err());
}
