//! Sequences are those of scipy (`fixtures/scipy_sequences.py`), and scrambled they still fill the cube evenly.

use eagleray_search::quasi_random::{DIMENSIONS_MAX, Halton, Sequence, Sobol};
use serde::Deserialize;

#[derive(Deserialize)]
struct Point {
    number: u64,
    values: Vec<(usize, f64)>,
}

#[derive(Deserialize)]
struct Fixtures {
    sobol: Vec<Point>,
    halton: Vec<Point>,
}

#[test]
fn points_are_those_of_scipy() {
    let text = include_str!("fixtures/scipy_sequences.json");
    let fixtures: Fixtures = serde_json::from_str(text).unwrap();
    let check = |sequence: &dyn Sequence, points: &[Point]| {
        assert!(points.len() > 20);
        for Point { number, values } in points {
            for (dimension, expected) in values {
                let coordinate = sequence.coordinate(*number, *dimension);
                assert_eq!(
                    coordinate, *expected,
                    "point {number}, dimension {dimension}"
                );
            }
        }
    };
    check(&Sobol::new(DIMENSIONS_MAX, None), &fixtures.sobol);
    check(&Halton::new(DIMENSIONS_MAX, None), &fixtures.halton);
}

/// How many of the first points lie in each of `parts` equal parts of a dimension.
fn counts(sequence: &dyn Sequence, points: u64, dimension: usize, parts: usize) -> Vec<u64> {
    let mut counts = vec![0; parts];
    for number in 0..points {
        let coordinate = sequence.coordinate(number, dimension);
        assert!((0.0..1.0).contains(&coordinate));
        counts[(coordinate * parts as f64) as usize] += 1;
    }
    counts
}

#[test]
fn a_scrambled_sequence_of_sobol_has_one_point_in_each_part() {
    for seed in 0..20 {
        let sequence = Sobol::new(12, Some(seed));
        for dimension in 0..12 {
            assert_eq!(counts(&sequence, 256, dimension, 256), [1; 256]);
        }
    }
}

#[test]
fn a_scrambled_sequence_of_halton_has_one_point_in_each_part() {
    for seed in 0..20 {
        let sequence = Halton::new(4, Some(seed));
        for (dimension, prime) in [2, 3, 5, 7_u64].into_iter().enumerate() {
            let points = prime.pow(3);
            let expected = vec![1; points as usize];
            assert_eq!(
                counts(&sequence, points, dimension, points as usize),
                expected
            );
        }
    }
}

#[test]
fn seeds_give_other_points_and_the_first_one_is_anywhere() {
    for sequences in [
        |seed| Box::new(Sobol::new(3, Some(seed))) as Box<dyn Sequence>,
        |seed| Box::new(Halton::new(3, Some(seed))) as Box<dyn Sequence>,
    ] {
        let firsts: Vec<f64> = (0..200)
            .map(|seed| sequences(seed).coordinate(0, 1))
            .collect();
        let mean = firsts.iter().sum::<f64>() / 200.0;
        // Six standard errors.
        assert!(
            (mean - 0.5).abs() < 6.0 * (1.0 / 12.0 / 200.0_f64).sqrt(),
            "{mean}"
        );
        assert_eq!(sequences(5).coordinate(7, 2), sequences(5).coordinate(7, 2));
    }
}
