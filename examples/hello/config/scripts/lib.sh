# What the stages of hello share. Read with ".", never run.

# NAMESPACE of the target comes from the environment's own file.
. "$CONFIG_PATH/environments/$TARGET_ENVIRONMENT.env"

# names prints the names in a JSON array of strings, one a line.
names() {
	{ tr -d '[]\n' <"$1" | tr ',' '\n' && echo; } | sed -e 's/^[[:space:]]*"//' -e 's/"[[:space:]]*$//' -e '/^[[:space:]]*$/d'
}

# field prints a string field of an inventory entry.
field() {
	tr -d '\n' <"$INVENTORY_PATH/$1" | sed -n "s/.*\"$2\"[[:space:]]*:[[:space:]]*\"\([^\"]*\)\".*/\1/p"
}
