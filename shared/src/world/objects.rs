//! The objects of one kind in a namespace. A copy of them costs nothing, and shares with the original what neither of them changes: whoever
//! judges has them as they were, however many there are and whatever becomes of them meanwhile.

use rpds::RedBlackTreeMapSync;

/// Names and what rules see of them, in the order of the names.
#[derive(Debug, Clone)]
pub struct Objects<V>(RedBlackTreeMapSync<String, V>);

impl<V> Default for Objects<V> {
    fn default() -> Self {
        Self(RedBlackTreeMapSync::new_sync())
    }
}

impl<V> Objects<V> {
    /// What is known of one.
    pub fn get(&self, name: &str) -> Option<&V> {
        self.0.get(name)
    }

    /// The same, with the name as it is kept.
    pub fn get_key_value(&self, name: &str) -> Option<(&String, &V)> {
        self.0.get_key_value(name)
    }

    /// Whether one is there.
    pub fn contains_key(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.size()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &V)> {
        self.0.iter()
    }

    /// All names.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    /// What is known of all.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.values()
    }

    /// Takes one out. Whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        // The way to where it would be is copied, whether it is there or not.
        self.contains_key(name) && self.0.remove_mut(name)
    }
}

impl<V: PartialEq> Objects<V> {
    /// Puts one in its place. Whether it was not there, or was another.
    pub fn insert(&mut self, name: &str, view: V) -> bool {
        let is_other = self.get(name) != Some(&view);
        if is_other {
            self.0.insert_mut(name.to_owned(), view);
        }
        is_other
    }
}

impl<V> std::ops::Index<&str> for Objects<V> {
    type Output = V;

    fn index(&self, name: &str) -> &V {
        &self.0[name]
    }
}

#[cfg(test)]
mod tests {
    use std::ptr;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_copy_shares_what_does_not_change_and_stays_as_it_was() {
        let mut objects = Objects::default();
        for at in 0..1000 {
            assert!(objects.insert(&format!("web-{at}"), Arc::new(at)));
        }
        let before = objects.clone();
        assert!(
            objects.insert("web-500", Arc::new(0)) && objects.remove("web-7") && objects.insert("api", Arc::new(0))
        );
        assert_eq!((*before["web-500"], before.len(), before.contains_key("api")), (500, 1000, false));
        assert_eq!((*objects["web-500"], objects.len(), objects.contains_key("web-7")), (0, 1000, false));
        let is_shared =
            |(name, view): (&String, &Arc<i32>)| objects.get(name).is_some_and(|other| ptr::eq(view, other));
        assert_eq!(before.iter().filter(|&entry| is_shared(entry)).count(), 998);
        assert!(objects.keys().is_sorted());
    }

    #[test]
    fn what_is_as_it_was_changes_nothing() {
        let mut objects = Objects::default();
        assert!(objects.insert("web", 1));
        let before = objects.clone();
        assert!(!objects.insert("web", 1) && !objects.remove("api"));
        assert!(objects.0.ptr_eq(&before.0));
        assert!(objects.insert("web", 2) && objects.remove("web") && objects.is_empty());
    }
}
