"""The questions of the bundled data set: ten kinds, five wordings of each.

Wordings are written by hand, a set for each kind, so that any item of the kind
fits them. The first is the query; all five mean the same.
"""

from dars_sklearn.grade import Contains, MultipleChoice, Numeric

# kind: (grader, five wordings, {item: accepted answers})
KINDS = {
    "capital": (
        Contains(first_line=True),
        [
            "What is the capital of {}?",
            "Which city is the capital of {}?",
            "Name the capital city of {}.",
            "{} has its capital in which city?",
            "Tell me the capital of {}.",
        ],
        {
            "France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Germany": "Berlin",
            "Russia": "Moscow", "China": "Beijing", "Egypt": "Cairo", "Greece": "Athens",
            "Canada": "Ottawa", "Australia": "Canberra", "Brazil": ["Brasilia", "Brasília"],
            "Portugal": "Lisbon", "Norway": "Oslo", "Sweden": "Stockholm", "Poland": "Warsaw",
            "Austria": "Vienna", "Ireland": "Dublin", "Peru": "Lima", "Cuba": "Havana",
            "Kenya": "Nairobi",
        },
    ),
    "addition": (
        Numeric("first"),
        [
            "What is {}?",
            "How much is {}?",
            "Calculate {}.",
            "Give me the sum: {}.",
            "Add up {}. What do you get?",
        ],
        {
            f"{a} plus {b}": a + b
            for a, b in [
                (2, 2), (3, 5), (6, 4), (9, 8), (11, 6), (10, 20), (15, 5), (12, 13), (25, 25),
                (19, 7), (31, 14), (40, 22), (17, 18), (50, 49), (28, 36), (60, 75), (99, 1),
            ]
        },
    ),
    "word problem": (
        Numeric("last"),
        [
            "{} How many are there now?",
            "{} How many does that make now?",
            "{} What is the number now?",
            "{} Count them: how many are there now?",
            "{} Tell me how many there are now.",
        ],
        {
            "There were 3 apples in a bowl and Tom added 2 apples.": 5,
            "There were 10 birds in a tree and 4 birds flew away.": 6,
            "A box held 8 pencils and Ann took out 3 pencils.": 5,
            "There were 5 cars in a lot and 5 more cars came.": 10,
            "A shelf held 12 books and Ben took 2 books away.": 10,
            "There were 7 eggs in a nest and 1 egg broke and was removed.": 6,
            "A bus carried 9 people and 6 more people got on.": 15,
            "There were 20 sheep in a field and 10 sheep left.": 10,
            "A jar held 4 coins and Mia put in 4 coins.": 8,
            "There were 6 cups on a table and Joe took away 5 cups.": 1,
            "A pond had 11 ducks and 3 ducks joined them.": 14,
            "There were 2 dogs in a yard and 7 dogs came in.": 9,
            "A tray held 15 cookies and Eva ate 5 cookies.": 10,
            "There were 13 children in a room and 2 children left.": 11,
            "A vase held 6 roses and Kim added 6 roses.": 12,
        },
    ),
    "opposite": (
        Contains(first_line=True),
        [
            "What is the opposite of {}?",
            "Which word is the opposite of {}?",
            "Give an antonym of {}.",
            "What word means the contrary of {}?",
            "Name the opposite of the word {}.",
        ],
        {
            "hot": ["cold", "cool"], "big": ["small", "little"], "up": "down", "fast": "slow",
            "light": ["dark", "heavy", "darkness"], "happy": ["sad", "unhappy"],
            "old": ["young", "new"],
            "open": ["closed", "close", "shut"], "early": "late", "full": "empty",
            "hard": ["soft", "easy"], "rich": "poor", "strong": "weak", "left": "right",
            "day": "night",
        },
    ),
    "element": (
        Contains(first_line=True),
        [
            "What is the chemical symbol for {}?",
            "Which symbol stands for {} in the periodic table?",
            "Give the chemical symbol of {}.",
            "How is {} written as a chemical symbol?",
            "Tell me the symbol of the element {}.",
        ],
        {
            "hydrogen": "H", "oxygen": "O", "carbon": "C", "nitrogen": "N", "helium": "He",
            "iron": "Fe", "gold": "Au", "silver": "Ag", "copper": "Cu", "sodium": "Na",
            "lead": "Pb", "zinc": "Zn", "calcium": "Ca", "neon": "Ne", "lithium": "Li",
        },
    ),
    "past tense": (
        Contains(first_line=True),
        [
            "What is the past tense of {}?",
            "What is the simple past form of the verb {}?",
            "Give the past tense of the verb {}.",
            "How do you say {} in the past tense?",
            "Put the verb {} into the past tense.",
        ],
        {
            "go": "went", "eat": "ate", "see": "saw", "take": "took", "run": "ran",
            "write": "wrote", "buy": "bought", "think": "thought", "swim": "swam",
            "sing": "sang", "fly": "flew", "drive": "drove", "bring": "brought",
            "teach": "taught", "give": "gave",
        },
    ),
    "continent": (
        Contains(first_line=True),
        [
            "On which continent is {}?",
            "Which continent is {} part of?",
            "{} lies on which continent?",
            "Name the continent where {} is found.",
            "What continent does {} belong to?",
        ],
        {
            "France": "Europe", "Japan": "Asia", "Nigeria": "Africa", "Canada": "North America",
            "Brazil": "South America", "India": "Asia", "Egypt": "Africa", "Spain": "Europe",
            "Mexico": "North America", "Argentina": "South America", "Kenya": "Africa",
            "Thailand": "Asia", "Poland": "Europe", "Chile": "South America", "Ghana": "Africa",
        },
    ),
    "translation": (
        Contains(first_line=True),
        [
            "What does the Spanish word {} mean in English?",
            "Translate the Spanish word {} into English.",
            "What is {} in English, from Spanish?",
            "Give the English word for the Spanish {}.",
            "How do you say the Spanish word {} in English?",
        ],
        {
            "agua": "water", "casa": ["house", "home"], "perro": "dog", "gato": "cat",
            "libro": "book", "amigo": "friend", "sol": "sun", "luna": "moon", "rojo": "red",
            "noche": "night", "leche": "milk", "pan": "bread", "mesa": "table",
            "escuela": "school", "dinero": "money",
        },
    ),
    "fact": (
        Contains(first_line=True),
        [
            "What is {}?",
            "Tell me: what is {}?",
            "Can you name {}?",
            "Please name {}.",
            "I want to know this: what is {}?",
        ],
        {
            "the largest planet of the solar system": "Jupiter",
            "the planet closest to the Sun": "Mercury",
            "the largest ocean on Earth": "Pacific",
            "the tallest mountain on Earth": "Everest",
            "the gas that plants take in from the air": ["carbon dioxide", "CO2"],
            "the star at the center of the solar system": ["Sun"],
            "the organ that pumps blood through the body": "heart",
            "the frozen form of water": "ice",
            "the first month of the year": "January",
            "the day after Monday": "Tuesday",
            "the largest animal on Earth": ["blue whale", "whale"],
            "the metal that is liquid at room temperature": "mercury",
            "the language spoken in Brazil": "Portuguese",
            "the currency of Japan": "yen",
            "the insect that makes honey": ["bee", "bees", "honeybee", "honey bee"],
        },
    ),
    "choice": (
        MultipleChoice("AB"),
        [
            "{} Answer with the letter A or B.",
            "{} Choose A or B.",
            "{} Reply with one letter, A or B.",
            "{} Which is right, A or B?",
            "{} Pick the right letter: A or B.",
        ],
        {
            "Which is an animal? A. table B. horse": "B",
            "Which is a fruit? A. apple B. hammer": "A",
            "Which is bigger? A. a mouse B. an elephant": "B",
            "Which is a color? A. green B. seven": "A",
            "Which can fly? A. a stone B. an eagle": "B",
            "Which is cold? A. ice B. fire": "A",
            "Which do you wear on your feet? A. hats B. shoes": "B",
            "Which is a number? A. twelve B. sugar": "A",
            "Which lives in water? A. a camel B. a shark": "B",
            "Which is used to cut paper? A. scissors B. a pillow": "A",
            "Which is faster? A. a snail B. a jet plane": "B",
            "Which is a day of the week? A. Friday B. March": "A",
            "Which is sweet? A. salt B. honey": "B",
            "Which is a musical instrument? A. a violin B. a spoon": "A",
            "Which is hotter? A. snow B. the Sun": "B",
        },
    ),
}  # fmt: skip


def questions():
    """List every question as (kind, wordings, reference, grader)."""
    return [
        (kind, [wording.format(item) for wording in wordings], reference, grader)
        for kind, (grader, wordings, items) in KINDS.items()
        for item, reference in items.items()
    ]
