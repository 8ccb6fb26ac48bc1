//! The classes of a mixed workload.

use std::collections::HashMap;

use bench_types::Conversation;

/// The class of conversations that belong to none while others do.
const UNNAMED: &str = "(no class)";

/// The classes of the conversations, in the order in which they first appear.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Classes {
    /// Their names; none if no conversation belongs to any.
    pub(crate) names: Vec<String>,
    /// Which of them each conversation belongs to; empty if there is no choice.
    of: Vec<u16>,
}

impl Classes {
    pub(crate) fn of(conversations: &[Conversation]) -> Classes {
        if conversations.iter().all(|one| one.class.is_none()) {
            return Classes::default();
        }
        let mut classes = Classes::default();
        let mut known: HashMap<&str, u16> = HashMap::new();
        for conversation in conversations {
            let name = conversation.class.as_deref().unwrap_or(UNNAMED);
            let names = &mut classes.names;
            let class = *known.entry(name).or_insert_with(|| {
                names.push(name.to_owned());
                u16::try_from(names.len() - 1).unwrap_or(u16::MAX)
            });
            classes.of.push(class);
        }
        classes
    }

    /// Which class a conversation belongs to.
    pub(crate) fn index(&self, conversation: usize) -> u16 {
        self.of.get(conversation).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use bench_types::Prompt;

    use super::*;

    fn classes(names: &[Option<&str>]) -> Classes {
        let one = |name: &Option<&str>| Conversation {
            class: name.map(Into::into),
            ..Conversation::single(0, Prompt::Text("a".into()), None, 1)
        };
        Classes::of(&names.iter().map(one).collect::<Vec<_>>())
    }

    #[test]
    fn classes_are_numbered_as_they_appear() {
        let mixed = classes(&[Some("chat"), Some("code"), Some("chat"), None]);
        assert_eq!(mixed.names, ["chat", "code", UNNAMED]);
        assert_eq!([0, 1, 2, 3].map(|i| mixed.index(i)), [0, 1, 0, 2]);
    }

    #[test]
    fn without_classes_there_is_nothing_to_number() {
        let none = classes(&[None, None]);
        assert_eq!((none.names.len(), none.index(1)), (0, 0));
    }
}
