package oktatest

import (
	"strconv"
	"strings"
)

const day millis = 24 * 60 * 60 * 1000

// person is a name, and its spelling in a login.
type person struct{ name, login string }

var firstNames = []person{
	{"Amara", "amara"}, {"Benedikt", "benedikt"}, {"Chloé", "chloe"}, {"Dmitri", "dmitri"}, {"Elif", "elif"},
	{"Farah", "farah"}, {"Göran", "goran"}, {"花子", "hanako"}, {"Imani", "imani"}, {"Jürgen", "jurgen"},
	{"Kofi", "kofi"}, {"Łucja", "lucja"}, {"Mateus", "mateus"}, {"Niamh", "niamh"}, {"Олена", "olena"},
	{"Priya", "priya"}, {"Quentin", "quentin"}, {"Rosa", "rosa"}, {"Søren", "soren"}, {"Tomás", "tomas"},
	{"Uma", "uma"}, {"Viktor", "viktor"}, {"Wanjiru", "wanjiru"}, {"Xin", "xin"}, {"Yusuf", "yusuf"}, {"Zoë", "zoe"},
	{"Grace", "grace"}, {"Hugo", "hugo"}, {"Leila", "leila"}, {"Marcus", "marcus"}, {"Nadia", "nadia"},
}

var lastNames = []person{
	{"Abara", "abara"}, {"Bergström", "bergstrom"}, {"Castellanos", "castellanos"}, {"Dvořák", "dvorak"},
	{"Ellingham", "ellingham"}, {"Ferreira", "ferreira"}, {"Gutiérrez", "gutierrez"}, {"Hartwell", "hartwell"},
	{"Ionescu", "ionescu"}, {"Jóhannsdóttir", "johannsdottir"}, {"Kowalczyk", "kowalczyk"}, {"Lindqvist", "lindqvist"},
	{"Mbeki", "mbeki"}, {"Nakamura", "nakamura"}, {"O'Rourke", "orourke"}, {"Petrović", "petrovic"},
	{"Quispe", "quispe"}, {"Raghunathan", "raghunathan"}, {"Şahin", "sahin"}, {"山田", "yamada"}, {"Underhill", "underhill"},
	{"Van der Meer", "vandermeer"}, {"Whitlock", "whitlock"}, {"Žukauskas", "zukauskas"},
}

var departments = []string{"Engineering", "Sales", "Support", "Finance", "R&D", "Legal", "People"}

var titles = []string{"Engineer", "Account Manager", "Director", "Analyst", "Team Lead", "Specialist \"Tier 2\"", "Intern"}

var places = []struct{ city, state, country, code, zone string }{
	{"Lisbon", "Lisboa", "Portugal", "PT", "Europe/Lisbon"},
	{"São Paulo", "São Paulo", "Brazil", "BR", "America/Sao_Paulo"},
	{"Toronto", "Ontario", "Canada", "CA", "America/Toronto"},
	{"東京", "東京都", "Japan", "JP", "Asia/Tokyo"},
	{"Austin", "Texas", "United States", "US", "America/Chicago"},
	{"Nairobi", "Nairobi County", "Kenya", "KE", "Africa/Nairobi"},
	{"München", "Bayern", "Germany", "DE", "Europe/Berlin"},
}

// fixedUsers are the users that every org has, in this order.
var fixedUsers = []struct{ first, last, login string }{
	{"Robin", "Keeper", "robin.keeper@example.com"}, // owns the token
	{"Ada", "Lovelace", "ada.lovelace@example.com"},
	{"Alan", "Turing", "alan.turing@example.com"},
}

// earlyStatuses are the statuses of the users after the fixed ones, so that an org of 11 has all statuses.
var earlyStatuses = []string{provisioned, staged, suspended, lockedOut, passwordExpired, recovery, deprovisioned, suspended}

// seedUsers creates the users. Their profiles are generated when they are rendered.
func (o *Org) seedUsers() {
	n := o.cfg.Users
	d := &o.users
	d.all = make([]*user, 0, n)
	d.byID = make(map[string]*user, n)
	d.byLogin = make(map[string]*user, n)
	users := make([]user, n)
	for i := range users {
		u := &users[i]
		u.id = o.ids.seeded("00u", domainUser, i)
		u.live = o.seedState(i)
		d.add(u)
	}
}

func (o *Org) seedState(i int) userState {
	h := o.ids.hash(domainUser, uint64(i)+1<<40)
	started := millisOf(o.started) / 1000 * 1000
	created := started - day*millis(30+h%1400) - millis(h>>8%86_400)*1000
	s := userState{
		exists: true, seed: i, status: seedStatus(i, h), login: seedLogin(i, h), provider: "OKTA", typeID: o.userType(),
		created: created, lastUpdated: created + day*millis(h>>16%30),
	}
	if s.status != staged {
		s.activated, s.statusChanged = created+1000, created+1000
	}
	if s.status != staged && s.status != provisioned {
		s.password, s.passwordChanged, s.lastLogin = s.status != deprovisioned, created+1000, started-millis(h>>24%200_000)*1000
		s.statusChanged = s.lastUpdated
		if h%3 == 0 {
			s.question = "What was the name of your first robot?"
		}
	}
	s.expired = s.status == passwordExpired || i == len(fixedUsers)+len(earlyStatuses)-1
	return s
}

func seedStatus(i int, h uint64) string {
	early := i - len(fixedUsers)
	switch {
	case early < 0:
		return active
	case early < len(earlyStatuses):
		return earlyStatuses[early]
	}
	switch h >> 32 % 40 {
	case 0, 1, 2:
		return deprovisioned
	case 3, 4:
		return provisioned
	case 5:
		return staged
	case 6:
		return suspended
	case 7:
		return lockedOut
	case 8:
		return passwordExpired
	case 9:
		return recovery
	}
	return active
}

func seedName(i int, h uint64) (first, last person) {
	return firstNames[h>>4%uint64(len(firstNames))], lastNames[h>>12%uint64(len(lastNames))]
}

func seedLogin(i int, h uint64) string {
	if i < len(fixedUsers) {
		return fixedUsers[i].login
	}
	first, last := seedName(i, h)
	return first.login + "." + last.login + strconv.Itoa(i) + "@example.com"
}

// appendSeededProfile renders the profile of the i-th seeded user. Some attributes are always there, others sometimes.
func (o *Org) appendSeededProfile(buf []byte, i int, login string) []byte {
	h := o.ids.hash(domainUser, uint64(i)+1<<40)
	firstName, lastName := "", ""
	if i < len(fixedUsers) {
		firstName, lastName = fixedUsers[i].first, fixedUsers[i].last
	} else {
		first, last := seedName(i, h)
		firstName, lastName = first.name, last.name
	}
	place := places[h>>20%uint64(len(places))]
	buf = appendField(append(buf, '{'), "firstName", firstName)
	buf = appendField(buf, "lastName", lastName)
	if h%4 == 0 {
		buf = append(appendKey(buf, "mobilePhone"), "null"...)
	} else {
		buf = appendField(buf, "mobilePhone", "+1-555-01"+strconv.Itoa(int(10+h%90)))
	}
	if h%5 == 0 {
		buf = appendField(buf, "secondEmail", strings.Replace(login, "@example.com", "@home.example.org", 1))
	} else {
		buf = append(appendKey(buf, "secondEmail"), "null"...)
	}
	buf = appendField(buf, "login", login)
	buf = appendField(buf, "email", login)
	if h%3 != 0 {
		buf = appendField(buf, "displayName", firstName+" "+lastName)
		buf = appendField(buf, "department", departments[h>>28%uint64(len(departments))])
		buf = appendField(buf, "title", titles[h>>36%uint64(len(titles))])
		buf = appendField(buf, "employeeNumber", strconv.Itoa(100_000+i))
	}
	if h%7 < 4 {
		buf = appendField(buf, "city", place.city)
		buf = appendField(buf, "countryCode", place.code)
		buf = appendField(buf, "timezone", place.zone)
		buf = appendField(buf, "userType", "Employee")
	}
	return append(buf, '}')
}
