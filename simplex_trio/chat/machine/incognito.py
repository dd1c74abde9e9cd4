"""`random_profile`: who a program says it is to a contact that is not to know its own profile.

A name is made as by the apps, of an adjective and a noun, and nothing else says anything.  All the
words are ones that the apps use too, so that such a name does not tell which program has made it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from simplex_trio.chat.messages.preferences import (
    Allow,
    Preference,
    Preferences,
    TimedMessages,
)
from simplex_trio.chat.messages.profiles import Profile

__all__ = ["random_profile"]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ADJECTIVES = _words("""
Able Active Agile Ample Apt Arctic Balanced Bold Brave Breezy Bright Brisk Bronze Calm Careful
Cheerful Clear Clever Cool Cosmic Crisp Crystal Curious Dapper Daring Deep Eager Early Earnest
Easy Electric Elegant Exotic Fair Famous Fancy Fast Fearless Fine Fluent Fond Fresh Friendly
Frosty Gallant Generous Gentle Giant Gifted Glad Gleaming Golden Good Graceful Grand Grateful
Great Green Happy Hardy Hearty Helpful Honest Humble Icy Ideal Jolly Joyful Just Keen Kind Large
Lasting Leafy Light Lively Logical Loud Loyal Lucid Lucky Majestic Mellow Merry Mighty Mild Modern
Modest Musical Native Neat Nimble Noble Novel Open Orange Organic Patient Peaceful Perfect Placid
Plain Playful Polite Precise Prime Proud Pure Purple Quaint Quick Quiet Rapid Rare Ready Regal
Relaxed Rich Robust Rosy Round Royal Safe Serene Sharp Shiny Silent Silver Simple Sincere Skilled
Sleek Smart Smooth Social Soft Solid Sparkling Splendid Spotless Stable Steady Strong Subtle Sunny
Super Sweet Swift Tall Tender Thankful Tidy Tiny Tranquil True Trusty Upbeat Urban Valiant Vibrant
Vital Vivid Warm Wealthy Whole Wide Wild Windy Wise Witty Wonderful Young Zealous Zesty
""")

_NOUNS = _words("""
Admirer Agent Aide Ambassador Angel Architect Artisan Artist Athlete Author Beauty Being
Benefactor Bloom Blossom Bonus Booster Boss Brain Brother Buddy Builder Captain Caretaker Champion
Charmer Chief Climber Colleague Collector Composer Comrade Connoisseur Counselor Creator Dancer
Defender Delight Designer Devotee Director Discoverer Donor Elder Enthusiast Expert Favorite
Founder Friend Gallant Gem Genius Gift Giver Glory Grace Guardian Guest Guide Guru Harmony Heart
Helper Hero Heroine Honor Hope Idea Idol Innovator Inspiration Inventor Jester Joker Juggler
Keeper Knight Laugh Leader Legend Light Love Luck Maestro Magician Maker Manager Marvel Mate
Mentor Miracle Motivator Neighbor Nurse Officer Optimist Organizer Owner Pal Paragon Partner
Patron Peace Peach Pearl Performer Phenomenon Philosopher Pilot Pioneer Planner Player Poet
President Prince Princess Prize Prodigy Producer Professor Promoter Protector Provider Queen Ruler
Sage Saver Savior Scholar Sculptor Seeker Sister Smile Soul Spark Specialist Spirit Star Steward
Strategist Student Surprise Talent Teacher Thinker Treasure Tutor Virtue Visionary Visitor Warden
Winner Wisdom Wizard Wonder Writer Youth
""")

# As the apps write what they allow by default.
_PREFERENCES = Preferences(
    timed_messages=TimedMessages(Allow.YES),
    full_delete=Preference(Allow.NO),
    reactions=Preference(Allow.YES),
    voice=Preference(Allow.YES),
    files=Preference(Allow.ALWAYS),
    calls=Preference(Allow.YES),
    sessions=Preference(Allow.NO),
    commands=(),
)


def random_profile(random: Callable[[int], bytes]) -> Profile:
    """A profile with a random name, the preferences of the apps, and nothing else."""
    name = _one_of(_ADJECTIVES, random) + _one_of(_NOUNS, random)
    return Profile(name, preferences=_PREFERENCES)


def _one_of(words: Sequence[str], random: Callable[[int], bytes]) -> str:
    # With eight bytes the first words are not noticeably more frequent.
    return words[int.from_bytes(random(8), "big") % len(words)]
