package phrase

import "testing"

func TestRussianNumbers(t *testing.T) {
	said(t, []saying{
		{"one minute is accusative and feminine", Russian{}.Minutes(1), "одну минуту."},
		{"twenty-one is as one", Russian{}.Minutes(21), "двадцать одну минуту."},
		{"thirty-one is as one", Russian{}.Minutes(31), "тридцать одну минуту."},
		{"a hundred and one is as one", Russian{}.Minutes(101), "сто одну минуту."},
		{"two minutes are feminine", Russian{}.Minutes(2), "две минуты."},
		{"three minutes are few", Russian{}.Minutes(3), "три минуты."},
		{"four minutes are few", Russian{}.Minutes(4), "четыре минуты."},
		{"twenty-two are as two", Russian{}.Minutes(22), "двадцать две минуты."},
		{"twenty-four are few", Russian{}.Minutes(24), "двадцать четыре минуты."},
		{"no minutes are many", Russian{}.Minutes(0), "ноль минут."},
		{"five minutes are many", Russian{}.Minutes(5), "пять минут."},
		{"ten minutes are many", Russian{}.Minutes(10), "десять минут."},
		{"eleven is not as one", Russian{}.Minutes(11), "одиннадцать минут."},
		{"twelve is not as two", Russian{}.Minutes(12), "двенадцать минут."},
		{"fourteen is not as four", Russian{}.Minutes(14), "четырнадцать минут."},
		{"twenty minutes are many", Russian{}.Minutes(20), "двадцать минут."},
		{"twenty-five minutes are many", Russian{}.Minutes(25), "двадцать пять минут."},
		{"a hundred and eleven is not as one", Russian{}.Minutes(111), "сто одиннадцать минут."},
		{"a negative time is not said", Russian{}.Minutes(-1), ""},
		{"a time beyond sense is not said", Russian{}.Minutes(1000), ""},

		{"one rouble is masculine", Russian{}.Roubles(1), "один рубль."},
		{"two roubles are masculine", Russian{}.Roubles(2), "два рубля."},
		{"five roubles are many", Russian{}.Roubles(5), "пять рублей."},
		{"eleven roubles are many", Russian{}.Roubles(11), "одиннадцать рублей."},
		{"twenty-one roubles are as one", Russian{}.Roubles(21), "двадцать один рубль."},
		{"hundreds are words of their own", Russian{}.Roubles(342), "триста сорок два рубля."},
		{"one thousand is feminine", Russian{}.Roubles(1000), "одна тысяча рублей."},
		{"two thousand are feminine, two roubles are not", Russian{}.Roubles(2002), "две тысячи два рубля."},
		{"five thousand are many", Russian{}.Roubles(5000), "пять тысяч рублей."},
		{"eleven thousand are many", Russian{}.Roubles(11001), "одиннадцать тысяч один рубль."},
		{"twenty-one thousand are as one", Russian{}.Roubles(21500), "двадцать одна тысяча пятьсот рублей."},
		{"the largest sum is said", Russian{}.Roubles(999999),
			"девятьсот девяносто девять тысяч девятьсот девяносто девять рублей."},
		{"a larger sum is not said", Russian{}.Roubles(1_000_000), ""},
		{"a negative sum is not said", Russian{}.Roubles(-5), ""},

		{"one kopeck is feminine", Russian{}.Kopecks(1), "одна копейка."},
		{"two kopecks are feminine", Russian{}.Kopecks(2), "две копейки."},
		{"fifty kopecks are many", Russian{}.Kopecks(50), "пятьдесят копеек."},
	})
}

func TestRussianPlates(t *testing.T) {
	plate := func(text string) []string { return Russian{}.Plate(text, false) }
	said(t, []saying{
		{"a private plate: letter, number, two letters", plate("М123СТ55"), "эм. , сто двадцать три. , эс тэ."},
		{"a yellow plate of type 1Б: two letters, number", plate("ММ 123 55"), "эм эм. , сто двадцать три."},
		{"spaces and dashes are dropped", plate(" м 123-ст 55 "), "эм. , сто двадцать три. , эс тэ."},
		{"case is folded", plate("м123ст55"), "эм. , сто двадцать три. , эс тэ."},
		{"Latin look-alikes are the same letters", plate("A123BE 77"), "а. , сто двадцать три. , вэ е."},
		{"Latin K, M, H", plate("K123MH"), "ка. , сто двадцать три. , эм эн."},
		{"Latin O, P, C", plate("O123PC"), "о. , сто двадцать три. , эр эс."},
		{"Latin T, Y, X in small letters", plate("t123yx777"), "тэ. , сто двадцать три. , у ха."},
		{"Cyrillic letters have their names", plate("А123ВЕ"), "а. , сто двадцать три. , вэ е."},
		{"a leading zero is said", plate("М045ММ55"), "эм. , ноль сорок пять. , эм эм."},
		{"two leading zeros are said", plate("М007ММ55"), "эм. , ноль ноль семь. , эм эм."},
		{"three zeros are said", plate("М000ММ55"), "эм. , ноль ноль ноль. , эм эм."},
		{"a round hundred ends its group", plate("М200ММ55"), "эм. , двести. , эм эм."},
		{"one is masculine in a plate", plate("М101ММ55"), "эм. , сто один. , эм эм."},
		{"four digits are two pairs", plate("1234ММ55"), "двенадцать. , тридцать четыре. , эм эм."},
		{"a pair may begin with zero", plate("0507ММ 55"), "ноль пять. , ноль семь. , эм эм."},
		{"a plate without region", plate("М123СТ"), "эм. , сто двадцать три. , эс тэ."},
		{"the country's mark is dropped", plate("М123СТ 55 RUS"), "эм. , сто двадцать три. , эс тэ."},
		{"the digits alone, as small firms write them", plate("123"), "сто двадцать три."},
		{"the region is said when asked", Russian{}.Plate("М123СТ 55", true),
			"эм. , сто двадцать три. , эс тэ. , пятьдесят пять."},
		{"a region of three digits is a number", Russian{}.Plate("ММ123 777", true),
			"эм эм. , сто двадцать три. , семьсот семьдесят семь."},
		{"a region keeps its zero", Russian{}.Plate("М123СТ02", true), "эм. , сто двадцать три. , эс тэ. , ноль два."},
		{"no region although asked", Russian{}.Plate("М123СТ", true), "эм. , сто двадцать три. , эс тэ."},
		{"a letter which no plate has is not said", plate("Ж123ЖЖ55"), ""},
		{"a foreign plate is not said", plate("KA 01 AB 1234 Z"), ""},
		{"no plate is not said", plate(""), ""},
		{"an endless text is not said", plate(string(make([]byte, 1<<20))), ""},
	})
}

func TestRussianColors(t *testing.T) {
	color := Russian{}.Color
	said(t, []saying{
		{"a colour is masculine", color("белый"), "белый."},
		{"a feminine colour becomes masculine", color("Белая"), "белый."},
		{"a neuter colour becomes masculine", color("белое"), "белый."},
		{"a soft adjective becomes masculine", color("синяя"), "синий."},
		{"a stressed ending becomes masculine", color("голубая"), "голубой."},
		{"ё may be written е", color("ЧЕРНЫЙ"), "чёрный."},
		{"a light kind", color("светло-серый"), "светло серый."},
		{"a dark kind in the feminine, written apart", color("темно зелёная"), "тёмно зелёный."},
		{"a dark kind written together", color("тёмносиний"), "тёмно синий."},
		{"an English name", color("Dark Blue"), "тёмно синий."},
		{"light blue has a word of its own", color("light blue"), "голубой."},
		{"a metallic paint", color("серебристый металлик"), "серебристый."},
		{"an alias", color("золотая"), "золотистый."},
		{"an unknown colour is not said", color("хамелеон"), ""},
		{"no colour is not said", color(""), ""},
	})
	for _, c := range []string{"салатовый", "бежевый", "белый", "бордовый", "вишнёвый", "голубой", "жёлтый", "зелёный",
		"золотистый", "коричневый", "красный", "серебристый", "серый", "синий", "фиолетовый", "чёрный", "оранжевый"} {
		said(t, []saying{
			{c + " is said", color(c), c + "."},
			{c + " has a light kind", color("светло-" + c), "светло " + c + "."},
			{c + " has a dark kind", color("тёмно-" + c), "тёмно " + c + "."},
		})
	}
}

func TestRussianCars(t *testing.T) {
	car := Russian{}.Car
	said(t, []saying{
		{"Hyundai in Latin letters", car("Hyundai", "Solaris"), "Хёндэ Солярис."},
		{"Хендай is the same sound", car("Хендай", "Солярис"), "Хёндэ Солярис."},
		{"Хёндэ is the same sound", car("хёндэ", "соларис"), "Хёндэ Солярис."},
		{"case and spaces do not matter", car(" HYUNDAI ", "soLARIS"), "Хёндэ Солярис."},
		{"mark and model in one field", car("Kia Rio", ""), "Киа Рио."},
		{"mark and model in the other field", car("", "Kia Rio"), "Киа Рио."},
		{"the mark twice", car("Лада", "Лада Гранта"), "Лада Гранта."},
		{"a mark alone ends the group", car("Toyota", ""), "Тойота."},
		{"a model alone", car("", "Газель"), "Газель."},
		{"a mark of two words", car("Mercedes-Benz", "E 200"), "Мерседес двести."},
		{"an unknown model is left out", car("Toyota", "Probox"), "Тойота."},
		{"an unknown mark is left out", car("Зил", "Рио"), "Рио."},
		{"words that are not names are left out", car("Skoda (такси)", "Octavia III лифтбек"), "Шкода Октавия."},
		{"ВАЗ by number pairs", car("ВАЗ", "2114"), "ВАЗ двадцать один. , четырнадцать."},
		{"ВАЗ by number pairs, written together", car("ВАЗ-2107", ""), "ВАЗ двадцать один. , ноль семь."},
		{"ВАЗ of five digits", car("ВАЗ", "21099"), "ВАЗ двадцать один. , ноль девяносто девять."},
		{"a figure as model", car("Mazda", "6"), "Мазда шесть."},
		{"a figure of three digits", car("Peugeot", "308"), "Пежо триста восемь."},
		{"the year it was made is not a model", car("Ford", "2015"), "Форд."},
		{"letters and figures together", car("Kia", "K5"), "Киа Ка пять."},
		{"an accent on a Latin letter", car("Citroën", "Škoda"), "Ситроен."},
		{"nothing known is not said", car("Зил", "сто тридцать"), ""},
		{"nothing given is not said", car("", ""), ""},
	})
	for _, mark := range []string{"Лада", "Kia", "Hyundai", "Renault", "Volkswagen", "Skoda", "Toyota", "Nissan", "Ford",
		"Chevrolet", "Daewoo", "Mazda", "Mitsubishi", "Mercedes", "BMW", "Audi", "Opel", "Peugeot", "Citroen", "Chery",
		"Geely", "Haval", "Exeed", "Omoda", "FAW", "JAC", "Москвич", "УАЗ", "ГАЗ", "Газель", "Волга", "ВАЗ", "Гранта",
		"Веста", "Ларгус", "Калина", "Приора", "Нива", "Solaris", "Accent", "Logan", "Duster", "Polo", "Octavia", "Rapid"} {
		if len(car(mark, "")) != 1 {
			t.Errorf("%s is not said with one sound: %v", mark, car(mark, ""))
		}
	}
}
