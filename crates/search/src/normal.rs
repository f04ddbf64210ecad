//! The normal distribution, whole and cut off: masses and densities as logarithms, since in the tails the numbers
//! themselves vanish.

use std::f64::consts::{FRAC_1_SQRT_2, LN_2};

/// ln √(2π), by which the density at a distance of `x` deviations falls short of e^(−x²/2).
pub const LN_SQRT_2PI: f64 = 0.918_938_533_204_672_8;

/// Below this the mass to the left is taken from its expansion.
const FAR_LEFT: f64 = -20.0;

/// The mass to the left of `x`.
#[must_use]
pub fn mass_below(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// The logarithm of the mass to the left of `x`, also where that is less than the smallest number.
#[must_use]
pub fn log_mass_below(x: f64) -> f64 {
    if x > FAR_LEFT {
        return if x > 6.0 {
            (-mass_below(-x)).ln_1p()
        } else {
            mass_below(x).ln()
        };
    }
    // Abramowitz and Stegun 26.2.12, until its terms are below a rounding.
    let inverse = 1.0 / (x * x);
    let (mut term, mut sum, mut odd): (f64, f64, f64) = (1.0, 1.0, 1.0);
    while term.abs() > f64::EPSILON {
        term *= -odd * inverse;
        sum += term;
        odd += 2.0;
    }
    -0.5 * x * x - LN_SQRT_2PI - (-x).ln() + f64::ln(sum)
}

/// The logarithm of the mass between `a` and `b`, of which `a` is the smaller.
#[must_use]
pub fn log_mass_between(a: f64, b: f64) -> f64 {
    if b <= 0.0 {
        log_difference(log_mass_below(b), log_mass_below(a))
    } else if a > 0.0 {
        log_difference(log_mass_below(-a), log_mass_below(-b))
    } else {
        (-mass_below(a) - mass_below(-b)).ln_1p()
    }
}

/// Where so much mass lies to the left: the inverse of [`mass_below`], for 0 < `mass` < 1.
///
/// Wichura, "Algorithm AS 241: the percentage points of the normal distribution", 1988 (PPND16).
#[must_use]
pub fn quantile(mass: f64) -> f64 {
    let centred = mass - 0.5;
    if centred.abs() <= 0.425 {
        let r = 0.180_625 - centred * centred;
        return centred * ratio(r, &CENTRE);
    }
    let tail = if centred < 0.0 { mass } else { 1.0 - mass };
    let r = (-tail.ln()).sqrt();
    let distance = if r <= 5.0 {
        ratio(r - 1.6, &NEAR)
    } else {
        ratio(r - 5.0, &FAR)
    };
    distance.copysign(centred)
}

/// Where the share `share` (in [0, 1]) of the mass between `a` and `b` lies to the left, if `a` ≤ 0 ≤ `b`.
#[must_use]
pub fn quantile_between(share: f64, a: f64, b: f64) -> f64 {
    let (left, right) = (mass_below(a), mass_below(-b));
    let between = 1.0 - left - right;
    let below = left + share * between;
    // From the side on which less lies: near 1 a mass has no digits left.
    let x = if below <= 0.5 {
        quantile(below)
    } else {
        -quantile(right + (1.0 - share) * between)
    };
    x.clamp(a, b)
}

/// ln(eˡ − eˢ), where `larger` is not below `smaller`.
fn log_difference(larger: f64, smaller: f64) -> f64 {
    if larger == f64::NEG_INFINITY {
        return larger;
    }
    let gap = smaller - larger;
    // Both forms lose digits where the other one does not.
    larger
        + if gap > -LN_2 {
            (-gap.exp_m1()).ln()
        } else {
            (-gap.exp()).ln_1p()
        }
}

/// Coefficients of numerator and denominator, the highest power first.
type Ratio = ([f64; 8], [f64; 8]);

fn ratio(x: f64, (numerator, denominator): &Ratio) -> f64 {
    let value = |coefficients: &[f64; 8]| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    value(numerator) / value(denominator)
}

#[rustfmt::skip]
const CENTRE: Ratio = (
    [
        2.509_080_928_730_122_7e3, 3.343_057_558_358_813e4, 6.726_577_092_700_87e4, 4.592_195_393_154_987e4,
        1.373_169_376_550_946e4, 1.971_590_950_306_551_3e3, 1.331_416_678_917_843_8e2, 3.387_132_872_796_366_5,
    ],
    [
        5.226_495_278_852_545e3, 2.872_908_573_572_194_3e4, 3.930_789_580_009_271e4, 2.121_379_430_158_659_7e4,
        5.394_196_021_424_751e3, 6.871_870_074_920_579e2, 4.231_333_070_160_091e1, 1.0,
    ],
);

#[rustfmt::skip]
const NEAR: Ratio = (
    [
        7.745_450_142_783_414e-4, 2.272_384_498_926_918_4e-2, 2.417_807_251_774_506e-1, 1.270_458_252_452_368_4,
        3.647_848_324_763_204_5, 5.769_497_221_460_691, 4.630_337_846_156_546, 1.423_437_110_749_683_5,
    ],
    [
        1.050_750_071_644_416_9e-9, 5.475_938_084_995_345e-4, 1.519_866_656_361_645_7e-2, 1.481_039_764_274_800_8e-1,
        6.897_673_349_851e-1, 1.676_384_830_183_803_8, 2.053_191_626_637_759, 1.0,
    ],
);

#[rustfmt::skip]
const FAR: Ratio = (
    [
        2.010_334_399_292_288_1e-7, 2.711_555_568_743_487_6e-5, 1.242_660_947_388_078_4e-3, 2.653_218_952_657_612_4e-2,
        2.965_605_718_285_048_7e-1, 1.784_826_539_917_291_3, 5.463_784_911_164_114, 6.657_904_643_501_103,
    ],
    [
        2.044_263_103_389_939_8e-15, 1.421_511_758_316_446e-7, 1.846_318_317_510_054_8e-5, 7.868_691_311_456_133e-4,
        1.487_536_129_085_061_5e-2, 1.369_298_809_227_358e-1, 5.998_322_065_558_88e-1, 1.0,
    ],
);

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_near(value: f64, expected: f64) {
        let tolerance = 1e-13 * expected.abs().max(1e-3);
        assert!(
            (value - expected).abs() < tolerance,
            "{value} is not {expected}"
        );
    }

    // Expected values: mpmath with 50 digits.
    #[test]
    fn logarithms_of_masses_hold_in_the_tails() {
        assert_near(log_mass_below(0.0), -LN_2);
        assert_near(log_mass_below(-1.0), -1.841_021_645_009_263_5);
        assert_near(log_mass_below(-10.0), -53.231_285_150_512_47);
        assert_near(log_mass_below(-30.0), -454.321_243_956_343_2);
        assert_near(log_mass_below(-40.0), -804.608_442_013_753_8);
        assert_near(log_mass_between(-1.0, 1.0), -0.381_715_146_302_126_07);
        assert_near(log_mass_between(8.0, 9.0), -35.013_618_593_437_15);
        assert_near(log_mass_between(-9.0, -8.0), log_mass_between(8.0, 9.0));
    }

    #[test]
    fn quantiles_have_all_digits() {
        for (mass, expected) in [
            (1e-300, -37.047_096_299_361_2),
            (1e-20, -9.262_340_089_798_408),
            (1e-5, -4.264_890_793_922_825),
            (0.01, -2.326_347_874_040_841),
            (0.3, -0.524_400_512_708_040_8),
            (0.6, 0.253_347_103_135_799_8),
            (0.975, 1.959_963_984_540_054),
        ] {
            assert_near(quantile(mass), expected);
        }
    }

    #[test]
    fn a_quantile_is_the_inverse() {
        for x in [-8.0, -5.5, -3.0, -1.0, -0.1, 0.0, 0.3, 2.0, 5.0] {
            let back = quantile(mass_below(x));
            assert!(
                (back - x).abs() < 1e-9 * (1.0 + x.abs()),
                "{x} came back as {back}"
            );
        }
    }

    #[test]
    fn a_quantile_of_a_part_stays_in_it() {
        for (a, b) in [(-0.5, 0.5), (-6.0, 0.0), (0.0, 9.0), (-1e-9, 1e-9)] {
            for share in [0.0, 0.1, 0.5, 0.9, 1.0] {
                let x = quantile_between(share, a, b);
                assert!((a..=b).contains(&x));
                if b - a > 1e-6 {
                    let found = (mass_below(x) - mass_below(a)) / (mass_below(b) - mass_below(a));
                    assert!((found - share).abs() < 1e-9, "{found} is not {share}");
                }
            }
        }
    }
}
