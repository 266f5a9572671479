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

# The second words of the commands that have some.
_cairn_groups() {
    case $1 in
    msg) echo "put get id verify" ;;
    policy)
        echo "list versions show diff rollback reload test try canary promote abandon log decide"
        ;;
    explain) echo "read resolve write" ;;
    esac
}

# Names of policies.
_cairn_policies() {
    local options=()
    [[ -n $policies ]] && options=(--policies "$policies")
    COMPREPLY=($(compgen -W "$("$program" "${options[@]}" --json policy list 2>/dev/null |
        sed -nE 's/^\{"name":"([^"]*)".*/\1/p')" -- "$1"))
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
    "msg put") echo "--reference --sync" ;;
    "msg get") echo "--indent --stored --http --verify --reference" ;;
    "msg id") echo "--reference --committed --base" ;;
    "msg verify") echo "--file --reference -f" ;;
    "policy try") echo "--trace --differences" ;;
    "policy canary") echo "--share --max-errors --min-calls" ;;
    "policy log") echo "--follow --lines -f -n" ;;
    "explain resolve") echo "--cache-control --result --size" ;;
    "explain write") echo "--size" ;;
    purge) echo "--prefix --tag --soft" ;;
    workers) echo "--pid --socket --lines --handlers --stats --watch --interval -n" ;;
    esac
}

_cairn() {
    local commands="run shell get put ls tree stat ln mkgroup rm import export"
    commands+=" msg policy explain purge sweep stats workers stores help"
    local globals="--store --policies --json --quiet --help --version -q -h"
    local program=${COMP_WORDS[0]} word=${COMP_WORDS[COMP_CWORD]}
    local previous=${COMP_WORDS[COMP_CWORD - 1]} command= store= policies= groups= i
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
        --policies) policies=${COMP_WORDS[++i]} ;;
        -*) ;;
        *)
            if [[ -z $command ]]; then
                command=${COMP_WORDS[i]}
                groups=$(_cairn_groups "$command")
            elif [[ -n $groups && $command != *" "* && " $groups " == *" ${COMP_WORDS[i]} "* ]]; then
                command+=" ${COMP_WORDS[i]}"
            fi
            ;;
        esac
    done

    case $previous in
    --policies)
        COMPREPLY=($(compgen -d -- "$word"))
        return
        ;;
    -f)
        if [[ $command != "policy log" ]]; then
            COMPREPLY=($(compgen -f -- "$word"))
            return
        fi
        ;;
    --pid)
        COMPREPLY=($(compgen -W "$("$program" --quiet --json workers --stats 2>/dev/null |
            sed -nE 's/.*"pid":([0-9]+).*/\1/p')" -- "$word"))
        return
        ;;
    -o | --output | --file | --trace | --socket)
        COMPREPLY=($(compgen -f -- "$word"))
        return
        ;;
    --store | --offset | --size | --expires | --meta | --depth | --link-prefix) return ;;
    --differences | --share | --max-errors | --min-calls | --lines | -n | --interval) return ;;
    --cache-control | --result) return ;;
    esac

    if [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W "$(_cairn_options "$command") $globals" -- "$word"))
    elif [[ -z $command ]]; then
        COMPREPLY=($(compgen -W "$commands" -- "$word"))
    elif [[ -n $groups && $command != *" "* ]]; then
        COMPREPLY=($(compgen -W "$groups" -- "$word"))
    else
        case $command in
        "msg put" | "msg id" | "policy try" | run | import) COMPREPLY=($(compgen -f -- "$word")) ;;
        help) COMPREPLY=($(compgen -W "$commands" -- "$word")) ;;
        get | put | ls | tree | stat | ln | mkgroup | rm | export) _cairn_paths "$word" ;;
        "msg get" | "msg verify" | explain\ *) _cairn_paths "$word" ;;
        "policy versions" | "policy show" | "policy diff" | "policy rollback") _cairn_policies "$word" ;;
        "policy reload" | "policy promote" | "policy abandon" | "policy log") _cairn_policies "$word" ;;
        "policy decide") COMPREPLY=($(compgen -W "cache_control chain eviction" -- "$word")) ;;
        "policy test" | "policy canary")
            _cairn_policies "$word"
            COMPREPLY+=($(compgen -f -- "$word"))
            ;;
        esac
    fi
}

complete -F _cairn cairn
