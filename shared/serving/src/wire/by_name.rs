//! Objects are read by the names of their fields, never by position.
//!
//! What serde derives for a struct also takes a list of the fields' values in order, which no document of the API says, and
//! which would change its meaning when a field is added. No setting of serde turns that off, so every level of a body is
//! read through this layer: it asks for a map wherever a struct is expected, and else passes everything on. A choice without
//! content is a name, where `serde_json` also takes `{"name": null}`.

use serde::de::value::MapAccessDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use std::fmt;

/// A deserializer, or a part of one, below which structs are objects.
#[derive(Debug)]
pub(super) struct ByName<T>(pub(super) T);

/// Passes calls on, with their visitors wrapped.
macro_rules! deserialize {
    ($($name:ident($($argument:ident: $kind:ty),*) as $inner:ident($($passed:ident),*);)*) => {
        $(fn $name<V: Visitor<'de>>(self, $($argument: $kind,)* visitor: V) -> Result<V::Value, Self::Error> {
            self.0.$inner($($passed,)* ByName(visitor))
        })*
    };
}

/// Passes values on that hold no others.
macro_rules! visit {
    ($($name:ident($($value:ident: $kind:ty)?);)*) => {
        $(fn $name<E: Error>(self, $($value: $kind)?) -> Result<V::Value, E> {
            self.0.$name($($value)?)
        })*
    };
}

type Names = &'static [&'static str];

impl<'de, D: Deserializer<'de>> Deserializer<'de> for ByName<D> {
    type Error = D::Error;

    deserialize! {
        deserialize_struct(_name: &'static str, _fields: Names) as deserialize_map();
        deserialize_any() as deserialize_any();
        deserialize_bool() as deserialize_bool();
        deserialize_i8() as deserialize_i8();
        deserialize_i16() as deserialize_i16();
        deserialize_i32() as deserialize_i32();
        deserialize_i64() as deserialize_i64();
        deserialize_i128() as deserialize_i128();
        deserialize_u8() as deserialize_u8();
        deserialize_u16() as deserialize_u16();
        deserialize_u32() as deserialize_u32();
        deserialize_u64() as deserialize_u64();
        deserialize_u128() as deserialize_u128();
        deserialize_f32() as deserialize_f32();
        deserialize_f64() as deserialize_f64();
        deserialize_char() as deserialize_char();
        deserialize_str() as deserialize_str();
        deserialize_string() as deserialize_string();
        deserialize_bytes() as deserialize_bytes();
        deserialize_byte_buf() as deserialize_byte_buf();
        deserialize_option() as deserialize_option();
        deserialize_unit() as deserialize_unit();
        deserialize_unit_struct(name: &'static str) as deserialize_unit_struct(name);
        deserialize_newtype_struct(name: &'static str) as deserialize_newtype_struct(name);
        deserialize_seq() as deserialize_seq();
        deserialize_tuple(length: usize) as deserialize_tuple(length);
        deserialize_tuple_struct(name: &'static str, length: usize) as deserialize_tuple_struct(name, length);
        deserialize_map() as deserialize_map();
        deserialize_identifier() as deserialize_identifier();
        deserialize_ignored_any() as deserialize_ignored_any();
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: Names,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.0.deserialize_any(Choice(visitor))
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for ByName<V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(formatter)
    }

    visit! {
        visit_bool(value: bool);
        visit_i64(value: i64);
        visit_i128(value: i128);
        visit_u64(value: u64);
        visit_u128(value: u128);
        visit_f64(value: f64);
        visit_str(value: &str);
        visit_borrowed_str(value: &'de str);
        visit_string(value: String);
        visit_bytes(value: &[u8]);
        visit_borrowed_bytes(value: &'de [u8]);
        visit_byte_buf(value: Vec<u8>);
        visit_none();
        visit_unit();
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(ByName(inner))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(ByName(inner))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(ByName(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(ByName(fields))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, choice: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(ByName(choice))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for ByName<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(ByName(inner))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for ByName<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(ByName(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for ByName<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(ByName(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for ByName<A> {
    type Error = A::Error;
    type Variant = ByName<A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let (name, rest) = self.0.variant_seed(seed)?;
        Ok((name, ByName(rest)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for ByName<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.0.newtype_variant_seed(ByName(seed))
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(length, ByName(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: Names,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.newtype_variant_seed(FieldsOf(visitor))
    }
}

/// The name of a choice, or an object of one field, which names it and holds its content.
struct Choice<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Choice<V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(formatter)
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<V::Value, E> {
        self.0.visit_enum(name.into_deserializer())
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<V::Value, A::Error> {
        let choice = MapAccessDeserializer::new(fields);
        self.0.visit_enum(WithContent(ByName(choice)))
    }
}

/// A choice that was given as an object.
struct WithContent<A>(A);

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for WithContent<A> {
    type Error = A::Error;
    type Variant = WithContent<A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let (name, rest) = self.0.variant_seed(seed)?;
        Ok((name, WithContent(rest)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for WithContent<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        Err(Error::invalid_type(Unexpected::Map, &"its name alone"))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.0.newtype_variant_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: Names,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.struct_variant(fields, visitor)
    }
}

/// The fields of a variant, as an object.
struct FieldsOf<V>(V);

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for FieldsOf<V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        inner.deserialize_map(ByName(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse_body;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Point {
        x: i64,
        y: Option<f64>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    enum Shape {
        Dot,
        At(Point),
        Line { from: Point, to: (i64, i64) },
    }

    type Everything = BTreeMap<String, Vec<Option<Shape>>>;

    #[test]
    fn lists_and_objects_are_told_apart_at_every_depth() {
        let read = |body: &str| parse_body::<Everything>(body.as_bytes());
        let line = |from: &str| {
            format!(r#"{{"a": [null, {{"Line": {{"from": {from}, "to": [3, 4]}}}}]}}"#)
        };
        let point = Point { x: 1, y: None };
        let expected = vec![
            None,
            Some(Shape::Line {
                from: point,
                to: (3, 4),
            }),
        ];
        let found = read(&line(r#"{"x": 1}"#)).expect("an object");
        assert_eq!(found["a"], expected);
        assert_eq!(
            read(r#"{"a": ["Dot"]}"#).expect("a name")["a"],
            [Some(Shape::Dot)]
        );
        for (body, told) in [
            (
                r#"{"a": [{"Dot": null}]}"#,
                "invalid type: map, expected its name alone",
            ),
            (r#"{"a": [{"Round": null}]}"#, "unknown variant `Round`"),
            (
                r#"{"a": [{"At": {"x": 1}, "Dot": null}]}"#,
                "trailing comma",
            ),
            (r#"{"a": [{}]}"#, ""),
            (
                r#"{"a": [7]}"#,
                "invalid type: integer `7`, expected enum Shape",
            ),
        ] {
            let error = format!("{:?}", read(body).expect_err("no shape"));
            assert!(error.contains(told), "{error}");
        }
        for list in [
            line("[1, null]"),
            r#"{"a": [{"Line": [{"x": 1}, [3, 4]]}]}"#.to_owned(),
            r#"{"a": [{"At": [1, null]}]}"#.to_owned(),
        ] {
            let error = read(&list).expect_err("a list for an object");
            assert!(
                format!("{error:?}").contains("invalid type: sequence"),
                "{error:?}"
            );
        }
    }
}
