# bash completion for cairn(1)

# Paths of the store that the command line names, beneath the group typed so far.
_cairn_paths() {
    local word=$1 group= name path options=()
    [[ $word == */* ]] && group=${word%/*}/
    [[ -n $store ]] && options=(--store "$store")
    while IFS= read -r name; do
        path=$group$name
        [[ $path == "$word"* ]] && COMPREPLY+=("$(printf %q "$path")")
    done < <("$program" "${options[@]}" --quiet ls "${group:-/}" 2>/dev/null)
    compopt -o nospace 2>/dev/null
}

_cairn_options() {
    case $1 in
    get) echo "--output --offset --size -o" ;;
    put) echo "--file --if-absent --expires --meta --compress --sync -f" ;;
    ls) echo "--long -l" ;;
    tree) echo "--depth" ;;
    rm) echo "--recursive -r" ;;
    import) echo "--link-prefix" ;;
    export) echo "--output -o" ;;
    esac
}

_cairn() {
    local commands="run shell get put ls tree stat ln mkgroup rm import export stores help"
    local globals="--store --json --quiet --help --version -q -h"
    local program=${COMP_WORDS[0]} word=${COMP_WORDS[COMP_CWORD]}
    local previous=${COMP_WORDS[COMP_CWORD - 1]} command= store= i
    COMPREPLY=()

    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --store)
            # The colon of a URL is a word of its own to bash.
            store=${COMP_WORDS[++i]}
            while [[ ${COMP_WORDS[i + 1]} == : && $((i + 2)) -lt $COMP_CWORD ]]; do
                store+=:${COMP_WORDS[i + 2]}
                ((i += 2))
            done
            ;;
        -*) ;;
        *) [[ -z $command ]] && command=${COMP_WORDS[i]} ;;
        esac
    done

    case $previous in
    -o | --output | -f | --file)
        COMPREPLY=($(compgen -f -- "$word"))
        return
        ;;
    --store | --offset | --size | --expires | --meta | --depth | --link-prefix) return ;;
    esac

    if [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W "$(_cairn_options "$command") $globals" -- "$word"))
    elif [[ -z $command ]]; then
        COMPREPLY=($(compgen -W "$commands" -- "$word"))
    else
        case $command in
        run | import) COMPREPLY=($(compgen -f -- "$word")) ;;
        help) COMPREPLY=($(compgen -W "$commands" -- "$word")) ;;
        get | put | ls | tree | stat | ln | mkgroup | rm | export) _cairn_paths "$word" ;;
        esac
    fi
}

complete -F _cairn cairn
