"""The questions of the bundled data set: fifteen kinds, each in five paraphrases.

The paraphrases are templates, written by hand for each kind such that any item of the kind fits
them. The first is the query, and all five ask the same.
"""

from collections.abc import Callable
from typing import NamedTuple

from dars_sklearn.grade import Contains, MultipleChoice, Numeric


class Kind(NamedTuple):
    """Questions of one kind: ``references`` maps each item to its accepted answers."""

    grader: Callable
    templates: list[str]
    references: dict


class Question(NamedTuple):
    """One question in five paraphrases, with its accepted answers and its grader."""

    kind: str
    paraphrases: list[str]
    reference: object
    grader: Callable


KINDS = {
    "capital": Kind(
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
            "Japan": "Tokyo", "Hungary": "Budapest", "Finland": "Helsinki", "Denmark": "Copenhagen",
            "Belgium": "Brussels", "Turkey": "Ankara", "Argentina": "Buenos Aires",
            "Chile": "Santiago", "Colombia": "Bogota", "Thailand": "Bangkok", "Iran": "Tehran",
            "Iraq": "Baghdad", "Ukraine": ["Kyiv", "Kiev"], "Morocco": "Rabat",
            "Vietnam": "Hanoi",
        },
    ),
    "addition": Kind(
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
                (7, 7), (8, 5), (14, 9), (23, 32), (45, 6), (70, 30), (16, 16), (38, 27), (90, 15),
                (120, 80), (33, 44), (5, 68), (200, 19), (64, 64), (81, 12),
            ]
        },
    ),
    "word problem": Kind(
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
            "There were 4 frogs on a log and 4 frogs jumped off.": 0,
            "A basket held 14 eggs and Sue used 6 eggs.": 8,
            "There were 30 chairs in a hall and Max brought 5 chairs.": 35,
            "A farmer had 17 cows and sold 7 cows.": 10,
            "There were 3 boats in a harbor and 8 boats sailed in.": 11,
            "A bag held 25 marbles and Leo lost 5 marbles.": 20,
            "There were 16 slices of pizza and the boys ate 9 slices.": 7,
            "A drawer held 10 socks and Amy added 12 socks.": 22,
            "There were 50 balloons and 1 balloon burst.": 49,
            "A train had 40 passengers and 15 passengers got off.": 25,
            "There were 6 stars on a card and Zoe drew 3 more stars.": 9,
            "A tank held 18 fish and Dan bought 4 more fish.": 22,
        },
    ),
    "opposite": Kind(
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
            "long": "short", "high": "low", "wet": "dry", "love": "hate",
            "begin": ["end", "finish"],
            "inside": "outside", "above": ["below", "under"], "win": "lose", "clean": "dirty",
            "push": "pull", "noisy": ["quiet", "silent"], "thick": "thin", "first": "last",
            "buy": "sell", "true": "false",
        },
    ),
    "element": Kind(
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
            "potassium": "K", "mercury": "Hg", "tin": "Sn", "nickel": "Ni", "aluminum": "Al",
            "chlorine": "Cl", "fluorine": "F", "sulfur": "S", "silicon": "Si", "magnesium": "Mg",
            "phosphorus": "P", "platinum": "Pt", "uranium": "U",
        },
    ),
    "past tense": Kind(
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
            "know": "knew", "come": "came", "drink": "drank", "break": "broke", "find": "found",
            "keep": "kept", "speak": "spoke", "wear": "wore", "catch": "caught", "choose": "chose",
            "begin": "began", "sleep": "slept", "win": "won", "grow": "grew", "walk": "walked",
        },
    ),
    "continent": Kind(
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
            "Italy": "Europe", "China": "Asia", "Morocco": "Africa", "Peru": "South America",
            "Cuba": "North America", "Vietnam": "Asia", "Norway": "Europe", "Iran": "Asia",
            "Ethiopia": "Africa", "Colombia": "South America", "Greece": "Europe",
            "Nepal": "Asia", "Uganda": "Africa",
        },
    ),
    "translation": Kind(
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
            "ciudad": "city", "flor": "flower", "pescado": "fish",
            "caballo": "horse", "verde": "green", "azul": "blue", "puerta": "door",
            "mano": "hand", "ojo": "eye", "lluvia": "rain", "nieve": "snow", "rey": "king",
            "hermano": "brother", "invierno": "winter", "manzana": "apple",
        },
    ),
    "fact": Kind(
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
            "the natural satellite of the Earth": "moon",
            "the fastest land animal": "cheetah",
            "the tallest animal on Earth": "giraffe",
            "the longest bone in the human body": ["femur", "thigh bone", "thighbone"],
            "the planet known as the Red Planet": "Mars",
            "the largest desert of sand in Africa": "Sahara",
            "the month after June": "July",
            "the last month of the year": "December",
            "the number of days in a week": ["seven", "7"],
            "the number of legs of a spider": ["eight", "8"],
            "the currency of the United States": ["dollar", "dollars", "US dollar"],
            "the language spoken in Mexico": "Spanish",
            "the vehicle that runs on rails": "train",
        },
    ),
    "choice": Kind(
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
            "Which is a vegetable? A. carrot B. window": "A",
            "Which is heavier? A. a feather B. a car": "B",
            "Which tells the time? A. a clock B. a pillow": "A",
            "Which is a season? A. Monday B. winter": "B",
            "Which has wheels? A. a bicycle B. a chair leg": "A",
            "Which is a planet? A. Paris B. Saturn": "B",
            "Which do you drink? A. water B. bread": "A",
            "Which is older? A. a baby B. a grandfather": "B",
            "Which is taller? A. a tree B. grass": "A",
            "Which can swim? A. a rock B. a dolphin": "B",
            "Which is a month? A. April B. Tuesday": "A",
            "Which is used to write? A. a spoon B. a pen": "B",
        },
    ),
    "multiplication": Kind(
        Numeric("first"),
        [
            "What is {}?",
            "How much is {}?",
            "Calculate {}.",
            "Give me the product: {}.",
            "Work out {}. What do you get?",
        ],
        {
            f"{a} times {b}": a * b
            for a, b in [
                (2, 3), (4, 5), (3, 3), (6, 2), (7, 1), (5, 5), (8, 2), (9, 3), (10, 10), (4, 4),
                (6, 6), (7, 8), (9, 9), (12, 2), (11, 3), (5, 8), (3, 7), (20, 4), (15, 2),
                (100, 3),
                (12, 12), (25, 4), (8, 8), (6, 9), (13, 0), (7, 7),
            ]
        },
    ),
    "plural": Kind(
        Contains(first_line=True),
        [
            "What is the plural of {}?",
            "What is the plural form of the noun {}?",
            "Give the plural of the word {}.",
            "One {}, two what?",
            "How do you write {} in the plural?",
        ],
        {
            "child": "children", "mouse": "mice", "foot": "feet", "tooth": "teeth", "man": "men",
            "woman": "women", "goose": "geese", "person": ["people", "persons"], "sheep": "sheep",
            "knife": "knives", "leaf": "leaves", "wolf": "wolves", "city": "cities",
            "baby": "babies", "box": "boxes", "bus": ["buses", "busses"], "cat": "cats",
            "dog": "dogs", "potato": "potatoes", "half": "halves", "church": "churches",
            "story": "stories", "ox": "oxen", "life": "lives", "fox": "foxes", "table": "tables",
        },
    ),
    "color": Kind(
        Contains(first_line=True),
        [
            "What color is {}?",
            "Which color does {} have?",
            "Name the color of {}.",
            "{}: what is its color?",
            "Tell me what color {} is.",
        ],
        {
            "grass": "green", "the clear sky by day": "blue", "snow": "white", "coal": "black",
            "a ripe banana": "yellow", "blood": "red", "a carrot": "orange", "milk": "white",
            "a ripe strawberry": "red", "a lemon": "yellow", "chocolate": "brown",
            "an emerald": "green", "a ruby": "red", "a school bus in America": "yellow",
            "the night sky": ["black", "dark"], "a pumpkin": "orange", "a polar bear": "white",
            "a frog": "green", "an eggplant": "purple", "a flamingo": "pink",
        },
    ),
    "sequence": Kind(
        Numeric("first"),
        [
            "Which number comes next: {}?",
            "What is the next number in {}?",
            "Continue the sequence {}. What is the next number?",
            "Name the number that follows in {}.",
            "{}: which number is next?",
        ],
        {
            "1, 2, 3, 4": 5, "2, 4, 6, 8": 10, "5, 10, 15, 20": 25, "10, 20, 30, 40": 50,
            "1, 3, 5, 7": 9, "9, 8, 7, 6": 5, "3, 6, 9, 12": 15, "100, 200, 300, 400": 500,
            "1, 2, 4, 8": 16, "20, 18, 16, 14": 12, "4, 8, 12, 16": 20, "11, 12, 13, 14": 15,
            "50, 45, 40, 35": 30, "7, 14, 21, 28": 35, "1, 4, 9, 16": 25, "2, 3, 5, 7": 11,
            "1, 1, 2, 3, 5": 8, "64, 32, 16, 8": 4, "6, 12, 18, 24": 30, "15, 14, 13, 12": 11,
        },
    ),
    "young animal": Kind(
        Contains(first_line=True),
        [
            "What is a young {} called?",
            "What do you call a baby {}?",
            "Name the young of a {}.",
            "A baby {} is called what?",
            "Tell me the word for a young {}.",
        ],
        {
            "dog": ["puppy", "pup", "whelp"], "cat": ["kitten", "kitty"], "cow": "calf",
            "horse": ["foal", "colt", "filly"], "sheep": "lamb", "goat": "kid", "duck": "duckling",
            "bear": "cub", "lion": "cub", "deer": "fawn", "pig": "piglet", "frog": "tadpole",
            "goose": "gosling", "swan": "cygnet", "kangaroo": "joey",
            "chicken": ["chick", "chicks"],
            "seal": "pup", "eagle": "eaglet", "owl": "owlet", "fish": ["fry", "fingerling"],
        },
    ),
}  # fmt: skip


def questions():
    """Return every question of the data set."""
    return [
        Question(name, [text.format(item) for text in kind.templates], reference, kind.grader)
        for name, kind in KINDS.items()
        for item, reference in kind.references.items()
    ]
