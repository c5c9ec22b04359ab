# What a hook runs under: keeps the beginning of its output, and writes its status down, whether or not the agent still lives.
# $1: the folder of this try; $2: how many bytes are kept; $3: the command.
note() { echo "$2" >"$folder/$1.new" && mv -f "$folder/$1.new" "$folder/$1"; }
folder=$1 kept=$2 command=$3
set --
umask 022
# the agent has died before it knew of this process: it will begin another
IFS= read -r go || { note status never; exit 0; }
{
    /bin/sh -c "$command" </dev/null 2>&1
    note status "$?"
} | {
    # at once, so that it is there when the hook is killed, or leaves something behind that writes on
    unbuffered=
    command -v stdbuf >/dev/null && unbuffered="stdbuf -o0"
    $unbuffered head -c "$kept" >"$folder/out"
    # and the rest for as long as anything writes, so that nothing ends because nobody reads
    note left "$(wc -c)"
}
