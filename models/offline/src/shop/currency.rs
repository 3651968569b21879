//! ISO 4217 codes and their minor units.

/// A currency and the unit that amounts are counted in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Currency {
    /// ISO 4217, for example `EUR`.
    pub code: String,
    /// Digits after the decimal mark: 2 for EUR, 0 for JPY, 3 for KWD.
    pub digits: u32,
}

// Source: ISO 4217 list one, active codes of countries; four-digit accounting units left out.
const NO_DIGITS: &str = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF";
const TWO_DIGITS: &str = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD \
    CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HRK \
    HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR \
    MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE \
    SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG";
const THREE_DIGITS: &str = "BHD IQD JOD KWD LYD OMR TND";

impl Currency {
    /// The currency of a code, or `None` when ISO 4217 does not list it.
    ///
    /// ```
    /// use offline::shop::Currency;
    /// assert_eq!(Currency::of("EUR").map(|c| c.minor_per_major()), Some(100));
    /// assert_eq!(Currency::of("JPY").map(|c| c.minor_per_major()), Some(1));
    /// assert_eq!(Currency::of("eur"), None);
    /// ```
    pub fn of(code: &str) -> Option<Self> {
        [(NO_DIGITS, 0), (TWO_DIGITS, 2), (THREE_DIGITS, 3)]
            .into_iter()
            .find(|(codes, _)| codes.split_ascii_whitespace().any(|known| known == code))
            .map(|(_, digits)| Self {
                code: code.to_owned(),
                digits,
            })
    }

    /// How many minor units one unit has: 100 for EUR, 1 for JPY.
    pub fn minor_per_major(&self) -> u32 {
        10u32.pow(self.digits)
    }
}
